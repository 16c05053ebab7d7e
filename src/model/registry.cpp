#include "convmixer/model/registry.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/plural.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <variant>

namespace convmixer {
namespace {

/// The same functions, of a ModelConfig that holds a Config.
template <typename Config>
ModelEntry entry_for(const ModelDefinition<Config>& definition) {
  ModelEntry entry{
      .name = definition.name,
      .weight_names = definition.weight_names,
      .defaults = Config{},
      .settings = {},
      .holds = [](const ModelConfig& model) { return std::holds_alternative<Config>(model); },
      .check = [f = definition.check](const ModelConfig& model) { f(std::get<Config>(model)); },
      .graph = [f = definition.graph](const ModelConfig& model) { return f(std::get<Config>(model)); },
      .describe = [f = definition.describe](const ModelConfig& model) { return f(std::get<Config>(model)); },
      .recognises = definition.recognises,
      .read_sizes = [f = definition.read_sizes](const TensorFile& file,
                                                ModelConfig& model) { f(file, std::get<Config>(model)); },
      .image_step = [f = definition.image_step](
                        const ModelConfig& model) { return f == nullptr ? 1 : f(std::get<Config>(model)); }};
  const auto holder = [](auto member) {
    return [member](ModelConfig & model) -> auto& { return std::get<Config>(model).*member; };
  };
  for (const SizeOf<Config>& size : definition.sizes)
    entry.settings.push_back({size.name, size.help, SizeSetting{size.least, size.most, holder(size.value)}});
  for (const ChoiceOf<Config>& choice : definition.choices) {
    entry.settings.push_back(
        {choice.name, choice.help,
         ChoiceSetting{
             choice.choices, [get = choice.get](const ModelConfig& model) { return get(std::get<Config>(model)); },
             [set = choice.set](ModelConfig& model, std::size_t index) { set(std::get<Config>(model), index); }}});
  }
  for (const RateOf<Config>& rate : definition.rates)
    entry.settings.push_back({rate.name, rate.help, RateSetting{rate.most, holder(rate.value)}});
  return entry;
}

}  // namespace

std::span<const ModelEntry> models() {
  static const std::vector<ModelEntry> all{
      entry_for(convmixer_definition()),
      entry_for(resnet_definition()),
      entry_for(mlp_mixer_definition()),
      entry_for(vit_definition()),
  };
  return all;
}

std::string setting_text(const ModelSetting& setting, const ModelConfig& model) {
  ModelConfig copy = model;
  if (const auto* const size = std::get_if<SizeSetting>(&setting.kind)) return fmt::format("{}", size->value(copy));
  if (const auto* const rate = std::get_if<RateSetting>(&setting.kind)) return fmt::format("{}", rate->value(copy));
  const auto& choice = std::get<ChoiceSetting>(setting.kind);
  const std::size_t index = choice.get(model);
  return index < choice.choices.size() ? choice.choices[index] : "unknown";
}

void copy_setting(const ModelSetting& setting, const ModelConfig& from, ModelConfig& to) {
  ModelConfig copy = from;
  if (const auto* const size = std::get_if<SizeSetting>(&setting.kind)) {
    size->value(to) = size->value(copy);
  } else if (const auto* const rate = std::get_if<RateSetting>(&setting.kind)) {
    rate->value(to) = rate->value(copy);
  } else {
    const auto& choice = std::get<ChoiceSetting>(setting.kind);
    choice.set(to, choice.get(from));
  }
}

std::vector<std::string> model_names(std::span<const ModelEntry> among) {
  std::vector<std::string> names;
  for (const ModelEntry& entry : among) names.push_back(entry.name);
  return names;
}

const ModelEntry* find_model(std::string_view name, std::span<const ModelEntry> among) {
  const auto found = std::ranges::find(among, name, &ModelEntry::name);
  return found == among.end() ? nullptr : &*found;
}

const ModelEntry& entry_of(const ModelConfig& model, std::span<const ModelEntry> among) {
  const auto found = std::ranges::find_if(among, [&](const ModelEntry& entry) { return entry.holds(model); });
  if (found == among.end())
    fail("a model that is none of {}",
         among.empty() ? "no models" : fmt::format("{}", fmt::join(model_names(among), ", ")));
  return *found;
}

Graph make_graph(const ModelConfig& model) { return entry_of(model).graph(model); }

std::string describe(const ModelConfig& model) {
  const ModelEntry& entry = entry_of(model);
  const ModelDescription description = entry.describe(model);
  std::string text = fmt::format("{}, {}", description.name, description.details);
  for (const ModelSetting& setting : entry.settings) {
    const auto* const rate = std::get_if<RateSetting>(&setting.kind);
    ModelConfig copy = model;
    if (rate != nullptr && rate->value(copy) > 0.0F)
      text += fmt::format(", {} {}", setting.name, setting_text(setting, model));
  }
  return text;
}

std::string describe_with_task(const ModelConfig& model) {
  const ClassificationTask task = task_of(model);
  return fmt::format("{}, images {} x {}, {}", describe(model), task.image_size, task.image_size,
                     counted(task.classes, "class", "classes"));
}

}  // namespace convmixer
