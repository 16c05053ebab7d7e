#include "train/model_options.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <variant>
#include <vector>

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

Option option_of(ModelConfig& model, const ModelSetting& setting) {
  if (const auto* const size = std::get_if<SizeSetting>(&setting.kind))
    return integer_option(setting.name, size->value(model), size->least, size->most, setting.help);
  if (const auto* const rate = std::get_if<RateSetting>(&setting.kind))
    return number_option(setting.name, rate->value(model), 0.0F, rate->most, setting.help);
  const auto& choice = std::get<ChoiceSetting>(setting.kind);
  return choice_option(
      setting.name, choice.choices, [&model, &choice](std::size_t index) { choice.set(model, index); },
      [&model, &setting] { return setting_text(setting, model); }, setting.help);
}

/// "model = convmixer, mlp-mixer or vit": those that have a setting of this name.
std::string models_with(const std::string& setting, std::span<const ModelEntry> among) {
  std::vector<std::string> names;
  for (const ModelEntry& entry : among)
    if (std::ranges::find(entry.settings, setting, &ModelSetting::name) != entry.settings.end())
      names.push_back(entry.name);
  std::string text = fmt::format("model = {}", names.front());
  for (std::size_t i = 1; i < names.size(); ++i)
    text += fmt::format("{}{}", i + 1 < names.size() ? ", " : " or ", names[i]);
  return text;
}

/// Reads and writes the model that there is at that time: the option is made before it is known which is chosen.
Option option_of_setting(ModelConfig& model, const ModelEntry& entry, const ModelSetting& setting,
                         std::span<const ModelEntry> among) {
  ModelConfig defaults = entry.defaults;
  Option option = option_of(defaults, setting);
  option.read = [&model, &setting](const std::string& text) { return option_of(model, setting).read(text); };
  option.write = [&model, &entry, &setting] {
    ModelConfig shown = entry.holds(model) ? model : entry.defaults;
    return option_of(shown, setting).write();
  };
  option.help = fmt::format("{}: {}", entry.name, option.help);
  option.condition = models_with(setting.name, among);
  option.applies_now = [&model, &entry] { return entry.holds(model); };
  return option;
}

}  // namespace

std::vector<Option> model_options(ModelConfig& model, std::span<const ModelEntry> among) {
  std::vector<Option> options{choice_of_model(model, among)};
  for (const ModelEntry& entry : among) {
    for (const ModelSetting& setting : entry.settings)
      options.push_back(option_of_setting(model, entry, setting, among));
  }
  return options;
}

}  // namespace convmixer
