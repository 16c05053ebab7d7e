#include "train/hyperparameters.hpp"

#include "convmixer/core/printable.hpp"
#include "convmixer/train/config.hpp"

#include <charconv>
#include <system_error>

namespace convmixer {
namespace {

Hyperparameter hyperparameter(const Option& option, const std::string& value) {
  if (option.is_switch()) return value == "true";
  double number = 0.0;
  const char* const end = value.data() + value.size();
  const auto [rest, error] = std::from_chars(value.data(), end, number);  // whatever the locale
  if (error == std::errc{} && rest == end) return number;
  return to_utf8(value);
}

}  // namespace

std::map<std::string, Hyperparameter> hyperparameters(const TrainConfig& config) {
  TrainConfig copy = config;
  std::map<std::string, Hyperparameter> settings;
  for (const OptionGroup& group : config_options(copy)) {
    for (const Option& option : group.options) {
      if (!option.applies() || option.changeable) continue;
      const std::string value = option.write();
      if (!value.empty()) settings.emplace(option.name, hyperparameter(option, value));
    }
  }
  return settings;
}

}  // namespace convmixer
