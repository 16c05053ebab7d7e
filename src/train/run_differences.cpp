#include "convmixer/train/run_differences.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/train/config.hpp"
#include "convmixer/train/option_parser.hpp"
#include "train/settings_text.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <string_view>

namespace convmixer {
namespace {

constexpr std::array<std::string_view, 5> kOwn{"out", "name", "tag", "note", "quiet"};

/// By key: those of the file, and the defaults of the others.
std::map<std::string, std::string> completed(const std::vector<RunSetting>& settings) {
  std::map<std::string, std::string> values;
  for (const RunSetting& setting : settings) values[setting.key] = setting.text;
  if (settings.empty()) return values;
  TrainConfig config;
  const std::vector<OptionGroup> options = config_options(config);
  if (!assign_known(options, settings, config)) return values;
  for (const OptionGroup& group : options)
    for (const Option& option : group.options)
      if (option.applies()) values.try_emplace(option.name, option.write());
  return values;
}

/// Those that any of the files mentions, in the order of the first that does.
std::vector<std::string> keys_of(std::span<const std::vector<RunSetting>> runs) {
  std::vector<std::string> keys;
  for (const std::vector<RunSetting>& settings : runs) {
    for (const RunSetting& setting : settings) {
      const bool is_own = std::ranges::find(kOwn, setting.key) != kOwn.end();
      if (!is_own && std::ranges::find(keys, setting.key) == keys.end()) keys.push_back(setting.key);
    }
  }
  return keys;
}

}  // namespace

SettingDifferences setting_differences(std::span<const std::vector<RunSetting>> runs) {
  std::vector<std::map<std::string, std::string>> values;
  for (const std::vector<RunSetting>& settings : runs) values.push_back(completed(settings));
  SettingDifferences result;
  for (const std::string& key : keys_of(runs)) {
    SettingDifference one{key, {}};
    for (const auto& of_run : values) {
      const auto found = of_run.find(key);
      one.values.push_back(found == of_run.end() ? std::nullopt : std::optional(found->second));
    }
    const bool is_equal = std::ranges::adjacent_find(one.values, std::not_equal_to<>()) == one.values.end();
    if (is_equal) {
      ++result.equal;
    } else {
      result.differing.push_back(std::move(one));
    }
  }
  return result;
}

}  // namespace convmixer
