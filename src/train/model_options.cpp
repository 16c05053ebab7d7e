#include "train/model_options.hpp"

#include <fmt/format.h>

#include <string>

namespace convmixer {
namespace {

Option choice_of_model(ModelConfig& model, std::span<const ModelEntry> among) {
  const std::vector<std::string> names = model_names(among);
  Option option = choice_option(
      "model", names,
      [&model, among](std::size_t index) {
        if (!among[index].holds(model)) model = among[index].defaults;
      },
      [&model, among] { return entry_of(model, among).name; }, "network to train");
  option.is_read_first = true;
  return option;
}

/// Reads and writes the model that there is at that time: the option is made before it is known which is chosen.
Option option_of_setting(ModelConfig& model, const ModelEntry& entry, const ModelSetting& setting) {
  const auto option_of = [&setting](ModelConfig& holder) {
    return integer_option(setting.name, setting.value(holder), setting.least, setting.most, setting.help);
  };
  ModelConfig defaults = entry.defaults;
  Option option = option_of(defaults);
  option.read = [&model, option_of](const std::string& text) { return option_of(model).read(text); };
  option.write = [&model, &entry, option_of] {
    ModelConfig shown = entry.holds(model) ? model : entry.defaults;
    return option_of(shown).write();
  };
  option.condition = fmt::format("model = {}", entry.name);
  option.applies_now = [&model, &entry] { return entry.holds(model); };
  return option;
}

}  // namespace

std::vector<Option> model_options(ModelConfig& model, std::span<const ModelEntry> among) {
  std::vector<Option> options{choice_of_model(model, among)};
  for (const ModelEntry& entry : among) {
    for (const ModelSetting& setting : entry.settings) options.push_back(option_of_setting(model, entry, setting));
  }
  return options;
}

}  // namespace convmixer
