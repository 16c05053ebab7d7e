#include "convmixer/model/model_file.hpp"

#include "convmixer/core/error.hpp"
#include "io/metadata.hpp"
#include "io/quoted.hpp"
#include "io/tensor_list.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <limits>

namespace convmixer {
namespace {

constexpr const char* kModelKey = "model";
constexpr std::int64_t kMostInt = std::numeric_limits<int>::max();

/// The part of a task that tensors show, and the part that they don't.
struct TaskKey {
  const char* key;
  int ClassificationTask::*value;
};
constexpr TaskKey kImageSize{"image_size", &ClassificationTask::image_size};
constexpr std::array<TaskKey, 2> kShownByTensors{
    {{"channels", &ClassificationTask::channels}, {"classes", &ClassificationTask::classes}}};

int stated(const TensorFile& file, const std::string& key) {
  return static_cast<int>(metadata_int64(file, key, 1, kMostInt));
}

const ModelEntry& stated_model(const TensorFile& file, std::span<const ModelEntry> among) {
  const std::string& name = file.metadata(kModelKey);
  const ModelEntry* const entry = find_model(name, among);
  if (entry == nullptr) {
    fail("{}: metadata {} = {}: expected one of {}", file.path().string(), kModelKey, quoted(name),
         fmt::join(model_names(among), ", "));
  }
  return *entry;
}

/// The first model whose tensors the file has.
const ModelEntry& recognised_model(const TensorFile& file, std::span<const ModelEntry> among) {
  const auto found = std::ranges::find_if(among, [&](const ModelEntry& entry) { return entry.recognises(file); });
  if (found != among.end()) return *found;
  TensorList tensors;
  for (const auto& [name, entry] : file.tensors()) tensors.add(name);
  fail("{}: no weights of {}: found {}", file.path().string(), fmt::join(model_names(among), " or "),
       tensors.empty() ? "no tensor" : tensors.text(300));
}

template <typename Value>
void require_equal(const TensorFile& file, const std::string& key, const Value& stated, const Value& shown) {
  if (stated != shown) fail("{}: metadata {} = {}, but its tensors have {}", file.path().string(), key, stated, shown);
}

/// A setting of the metadata. Files that don't have a choice have its default.
void read_setting(const TensorFile& file, const ModelSetting& setting, ModelConfig& model) {
  const std::string key = metadata_key(setting);
  if (const auto* const size = std::get_if<SizeSetting>(&setting.kind)) size->value(model) = stated(file, key);
  const auto* const choice = std::get_if<ChoiceSetting>(&setting.kind);
  if (choice == nullptr || !file.metadata().contains(key)) return;
  const std::string& text = file.metadata(key);
  const auto found = std::ranges::find(choice->choices, text);
  if (found == choice->choices.end()) {
    fail("{}: metadata {} = {}: expected one of {}", file.path().string(), key, quoted(text),
         fmt::join(choice->choices, ", "));
  }
  choice->set(model, static_cast<std::size_t>(found - choice->choices.begin()));
}

/// The configuration that the metadata states, given the one that the tensors show.
ModelConfig stated_sizes(const TensorFile& file, const ModelEntry& entry) {
  ModelConfig model = entry.defaults;
  for (const ModelSetting& setting : entry.settings) read_setting(file, setting, model);
  ClassificationTask task;
  for (const TaskKey& part : kShownByTensors) task.*part.value = stated(file, part.key);
  task.*kImageSize.value = stated(file, kImageSize.key);
  return with_task(model, task);
}

void check_against_tensors(const TensorFile& file, const ModelEntry& entry, ModelConfig model) {
  ModelConfig shown = model;
  entry.read_sizes(file, shown);
  for (const ModelSetting& setting : entry.settings) {
    require_equal(file, metadata_key(setting), setting_text(setting, model), setting_text(setting, shown));
  }
  for (const TaskKey& part : kShownByTensors) {
    require_equal(file, part.key, task_of(model).*part.value, task_of(shown).*part.value);
  }
}

}  // namespace

std::string metadata_key(const ModelSetting& setting) {
  std::string key = setting.name;
  std::ranges::replace(key, '-', '_');
  return key;
}

std::map<std::string, std::string> model_metadata(const ModelConfig& model) {
  const ModelEntry& entry = entry_of(model);
  std::map<std::string, std::string> metadata{{kModelKey, entry.name}};
  for (const ModelSetting& setting : entry.settings) {
    const std::string text = setting_text(setting, model);
    const bool is_usual =
        std::holds_alternative<ChoiceSetting>(setting.kind) && text == setting_text(setting, entry.defaults);
    if (!setting.is_of_training() && !is_usual) metadata[metadata_key(setting)] = text;
  }
  const ClassificationTask task = task_of(model);
  metadata[kImageSize.key] = fmt::format("{}", task.*kImageSize.value);
  for (const TaskKey& part : kShownByTensors) metadata[part.key] = fmt::format("{}", task.*part.value);
  return metadata;
}

ModelConfig read_model(const TensorFile& file, std::span<const ModelEntry> among) {
  const bool says_so = is_own(file) && file.metadata().contains(kModelKey);
  const ModelEntry& entry = says_so ? stated_model(file, among) : recognised_model(file, among);
  if (!is_own(file)) {
    ModelConfig model = entry.defaults;
    entry.read_sizes(file, model);
    return model;
  }
  const ModelConfig model = stated_sizes(file, entry);
  check_against_tensors(file, entry, model);
  try {
    entry.check(model);
  } catch (const Error& error) {
    fail("{}: metadata: {}", file.path().string(), error.what());
  }
  return model;
}

void require_model(const std::filesystem::path& weights, const ModelConfig& found, const ModelConfig& configured,
                   std::span<const ModelEntry> among) {
  const std::string& name = entry_of(found, among).name;
  const std::string& expected = entry_of(configured, among).name;
  if (name != expected) {
    fail("{}: its model is {}, but the run's configuration says model = {}", weights.string(), name, expected);
  }
}

}  // namespace convmixer
