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
  for (const SizeOf<Config>& size : definition.sizes) {
    const auto value = [member = size.value](ModelConfig& model) -> int& { return std::get<Config>(model).*member; };
    entry.settings.push_back({size.name, size.least, size.most, size.help, value});
  }
  return entry;
}

}  // namespace

std::span<const ModelEntry> models() {
  static const std::vector<ModelEntry> all{
      entry_for(convmixer_definition()),
  };
  return all;
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
  const ModelDescription description = entry_of(model).describe(model);
  return fmt::format("{}, {}", description.name, description.details);
}

std::string describe_with_task(const ModelConfig& model) {
  const ClassificationTask task = task_of(model);
  return fmt::format("{}, images {} x {}, {}", describe(model), task.image_size, task.image_size,
                     counted(task.classes, "class", "classes"));
}

}  // namespace convmixer
