#include "convmixer/train/initial_weights.hpp"

#include "checkpoint/file_fingerprint.hpp"
#include "convmixer/core/error.hpp"
#include "convmixer/core/plural.hpp"
#include "convmixer/data/data_identity.hpp"
#include "convmixer/data/dataset_names.hpp"
#include "convmixer/data/relabel.hpp"
#include "convmixer/model/image_size.hpp"
#include "convmixer/model/model_file.hpp"
#include "train/saved_run.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <span>
#include <string_view>
#include <utility>
#include <variant>

namespace convmixer {
namespace {

namespace fs = std::filesystem;
using Record = std::map<std::string, std::string>;
using Names = std::vector<std::string>;

constexpr const char* kFileKey = "init.file";
constexpr const char* kFingerprintKey = "init.fingerprint";
constexpr std::string_view kCounterPrefix = "init.batches.";
constexpr int kNew = -1;  // of a row of the head: it stays random

std::string from_root(const fs::path& path) {
  std::error_code error;
  const fs::path whole = fs::absolute(path, error);
  return (error ? path : whole).lexically_normal().string();
}

const Assignment* find(std::span<const Assignment> given, const std::string& key) {
  const auto found = std::ranges::find(given, key, &Assignment::key);
  return found == given.end() ? nullptr : &*found;
}

void require_model_of_settings(const TrainConfig& config, const CheckpointInfo& info) {
  const std::string& found = entry_of(info.model).name;
  const std::string& expected = entry_of(config.model).name;
  if (found != expected) fail_usage("{}: its model is {}, but model = {}", config.init.string(), found, expected);
}

/// Names that both have, in the order of the first.
Names common_names(const Names& names, const Names& others) {
  const std::set<std::string> there(others.begin(), others.end());
  Names common;
  std::ranges::copy_if(names, std::back_inserter(common),
                       [&](const std::string& name) { return there.contains(name); });
  return common;
}

/// The head's rows of the file by the data's labels, each class's found by its name.
std::vector<int> rows_by_name(const Names& here, const Names& there) {
  std::vector<int> rows;
  for (const std::string& name : here) {
    const auto found = std::ranges::find(there, name);
    rows.push_back(found == there.end() ? kNew : static_cast<int>(found - there.begin()));
  }
  return rows;
}

bool are_the_same(Names a, Names b) {
  std::ranges::sort(a);
  std::ranges::sort(b);
  return a == b;
}

[[noreturn]] void fail_other_classes(const TrainConfig& config, const Names& here, const Names& there, int classes) {
  const std::string file = config.init.string();
  constexpr const char* kNewHead = "--init-head new begins with a new head";
  if (there.empty())
    fail_usage("{}: tells {} apart, the data has {}: {}", file, counted(classes, "class", "classes"), here.size(),
               kNewHead);
  const Names common = common_names(here, there);
  const std::string match = common.empty()
                                ? ", none of the data's is among them"
                                : fmt::format(", --init-head match keeps what it knows of the {} of the same name ({})",
                                              counted(common.size(), "class", "classes"), list_class_names(common));
  fail_usage("{}: its classes are {}, the data's are {}: {}{}", file, list_class_names(there), list_class_names(here),
             kNewHead, match);
}

/// For each class of the data the head's row in the file, or kNew.
std::vector<int> head_rows(const TrainConfig& config, const CheckpointInfo& info, const Names& here) {
  const Names& there = info.class_names;
  const int classes = task_of(info.model).classes;
  if (config.init_head == InitHead::fresh) return std::vector<int>(here.size(), kNew);
  if (config.init_head == InitHead::match) {
    if (there.empty())
      fail_usage("{}: doesn't say what its classes are called, so that none can be matched: --init-head new or keep",
                 config.init.string());
    if (common_names(here, there).empty()) fail_other_classes(config, here, there, classes);
    return rows_by_name(here, there);
  }
  if (there.empty() ? std::ssize(here) != classes : !are_the_same(here, there))
    fail_other_classes(config, here, there, classes);
  std::vector<int> rows = there.empty() || here == there ? std::vector<int>() : rows_by_name(here, there);
  for (int row = static_cast<int>(rows.size()); row < classes; ++row) rows.push_back(row);
  return rows;
}

std::string describe_head(const std::vector<int>& rows, const CheckpointInfo& info, const Names& here) {
  const auto kept = std::ranges::count_if(rows, [](int row) { return row != kNew; });
  const int classes = task_of(info.model).classes;
  if (kept == std::ssize(rows)) {
    return std::ranges::is_sorted(rows) ? "" : "; the head's classes are put in the data's order, by their names";
  }
  const std::string there = counted(classes, "class", "classes");
  const Names common = common_names(here, info.class_names);
  const std::string names = common.empty() ? "" : fmt::format(" ({})", list_class_names(common));
  if (kept > 0) return fmt::format("; of its {}, the head keeps {} of the data's{}", there, kept, names);
  return fmt::format(
      "; a new head for {} instead of its {}{}", here.size(), classes,
      common.empty() ? "" : fmt::format(", though {} the same name{}", counted(common.size(), "has", "have"), names));
}

/// Throws unless the file's network is the configured one but for its classes.
void require_same_model(const TrainConfig& config, const CheckpointInfo& info, const Parameters& parameters) {
  const std::string file = config.init.string();
  require_model_of_settings(config, info);
  std::vector<std::string> differences;
  for (const ModelSetting& setting : entry_of(config.model).settings) {
    const std::string found = setting_text(setting, info.model);
    const std::string expected = setting_text(setting, config.model);
    if (setting.is_of_training() || found == expected) continue;
    differences.push_back(fmt::format("{} is {}, expected {}", setting.name, found, expected));
  }
  if (!differences.empty())
    fail_usage("{}: not the configured network: its {}", file, fmt::join(differences, ", its "));
  const std::int64_t channels = parameters.graph().tensors()[0][0];
  if (task_of(info.model).channels != channels)
    fail_usage("{}: its images have {}, the data's {}", file, counted(task_of(info.model).channels, "colour"),
               channels);
  require_image_size(config.init, info.model, static_cast<int>(parameters.graph().tensors()[0][1]));
}

void copy_rows(std::span<const float> from, std::span<float> to, const std::vector<int>& rows) {
  const std::size_t width = to.size() / rows.size();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] == kNew) continue;
    std::ranges::copy(from.subspan(static_cast<std::size_t>(rows[i]) * width, width),
                      to.begin() + static_cast<std::ptrdiff_t>(i * width));
  }
}

/// All but the head has the same shapes in both.
void copy_weights(const Parameters& from, Parameters& to, const std::vector<int>& rows) {
  const Graph& graph = to.graph();
  const auto& head = std::get<Linear>(graph.nodes().back().operation);
  for (ParameterId id = 0; id < static_cast<ParameterId>(graph.parameters().size()); ++id) {
    if (id == head.weight || id == head.bias) {
      copy_rows(from.value(id), to.value(id), rows);
    } else {
      std::ranges::copy(from.value(id), to.value(id).begin());
    }
  }
  for (StatisticId id = 0; id < static_cast<StatisticId>(graph.statistics().size()); ++id)
    std::ranges::copy(from.statistic(id), to.statistic(id).begin());
}

std::string describe_origin(const TrainConfig& config, const CheckpointInfo& info) {
  std::string text = fmt::format("{}: {}", config.init.string(), describe(info.model));
  if (info.epoch > 0) text += fmt::format(", after epoch {}", info.epoch);
  if (!info.averaged.empty()) text += fmt::format(", averaged ({})", info.averaged);
  if (info.holdout_accuracy >= 0.0) text += fmt::format(", holdout accuracy {:.2f}%", 100.0 * info.holdout_accuracy);
  if (info.test_accuracy >= 0.0) text += fmt::format(", test accuracy {:.2f}%", 100.0 * info.test_accuracy);
  return text;
}

std::string describe_normalisation(const TrainConfig& config, const CheckpointInfo& info) {
  if (info.mean.empty())
    return "; it doesn't say how its images were normalised: mean and std are the data's or those given";
  if (info.mean == config.mean && info.std == config.std) return "; mean and std are its own";
  return fmt::format("; its images were normalised by mean {} and std {}, these are by {} and {}",
                     fmt::join(info.mean, ","), fmt::join(info.std, ","), fmt::join(config.mean, ","),
                     fmt::join(config.std, ","));
}

}  // namespace

void take_settings(TrainConfig& config, const CheckpointInfo& info, std::span<const Assignment> given) {
  const ModelEntry& entry = entry_of(info.model);
  const auto is_given = [given](const ModelSetting& setting) { return find(given, setting.name) != nullptr; };
  if (find(given, "model") != nullptr || std::ranges::any_of(entry.settings, is_given))
    require_model_of_settings(config, info);
  ModelConfig taken = with_task(info.model, task_of(config.model));
  std::vector<std::string> conflicts;
  for (const ModelSetting& setting : entry.settings) {
    if (setting.is_of_training()) {
      if (entry.holds(config.model)) copy_setting(setting, config.model, taken);
      continue;
    }
    const Assignment* const assignment = find(given, setting.name);
    const std::string found = setting_text(setting, info.model);
    if (assignment == nullptr || setting_text(setting, config.model) == found) continue;
    conflicts.push_back(fmt::format("{} = {}, but {}", setting.name, found, assignment->where));
  }
  if (!conflicts.empty()) {
    fail_usage("{}: {}: without these settings the sizes are the file's", config.init.string(),
               fmt::join(conflicts, "; "));
  }
  config.model = taken;
  if (!info.mean.empty() && find(given, "mean") == nullptr && find(given, "std") == nullptr) {
    config.mean = info.mean;
    config.std = info.std;
  }
  // Of other data sets the images are what they are.
  if (config.dataset != kFolderDataset || info.fit.empty()) return;
  if (find(given, "image-size") == nullptr) config.image_size = task_of(info.model).image_size;
  if (find(given, "fit") == nullptr) config.fit = info.fit == "stretch" ? Fit::stretch : Fit::crop;
}

InitialWeights load_initial_weights(const TrainConfig& config, const Names& class_names, Parameters& parameters) {
  const CheckpointInfo info = read_checkpoint_info(config.init);
  require_same_model(config, info, parameters);
  const std::vector<int> rows = head_rows(config, info, storable_names(class_names));
  const auto& head = std::get<Linear>(parameters.graph().nodes().back().operation);
  const bool head_is_frozen = parameters.graph().parameters()[static_cast<std::size_t>(head.weight)].frozen;
  if (head_is_frozen && std::ranges::find(rows, kNew) != rows.end())
    fail_usage("freeze = {}: the head is new for some classes, and would stay random: train it", config.freeze);
  const Graph graph = make_graph(info.model);
  Parameters loaded(graph);
  load_weights(config.init, loaded);
  copy_weights(loaded, parameters, rows);

  InitialWeights initial;
  initial.record[kFileKey] = from_root(config.init);
  initial.record[kFingerprintKey] = file_fingerprint(config.init);
  for (const Node& node : graph.nodes()) {
    if (!std::holds_alternative<BatchNorm>(node.operation)) continue;
    const std::string counter = fmt::format("{}.num_batches_tracked", node.name);
    const auto own = info.batches_tracked.find(counter);
    const std::int64_t batches = own == info.batches_tracked.end() ? info.step : own->second;
    if (batches > 0) initial.record[fmt::format("{}{}", kCounterPrefix, counter)] = fmt::format("{}", batches);
  }
  initial.description = describe_origin(config, info) + describe_head(rows, info, storable_names(class_names)) +
                        describe_normalisation(config, info);
  return initial;
}

std::map<std::string, std::int64_t> batches_tracked(const Record& record, const Graph& graph, std::int64_t steps) {
  std::map<std::string, std::int64_t> counters;
  for (const Node& node : graph.nodes()) {
    const auto* const norm = std::get_if<BatchNorm>(&node.operation);
    if (norm == nullptr) continue;
    const std::string counter = fmt::format("{}.num_batches_tracked", node.name);
    const auto found = record.find(fmt::format("{}{}", kCounterPrefix, counter));
    std::int64_t batches = 0;
    if (found != record.end())
      std::from_chars(found->second.data(), found->second.data() + found->second.size(), batches);
    // A file can say anything: their sum is a number still.
    if (!norm->frozen) batches = std::clamp<std::int64_t>(batches, 0, Optimizer::kMostSteps - 1) + steps;
    if (batches != steps) counters[counter] = batches;
  }
  return counters;
}

void require_initial_weights(const TrainConfig& config, const Record& record, const fs::path& folder) {
  if (config.init.empty()) return;
  const auto file = record.find(kFileKey);
  const auto fingerprint = record.find(kFingerprintKey);
  if (file == record.end() || fingerprint == record.end()) {
    fail_usage("{}: this run began with random weights, not with init = {}; {}", folder.string(), config.init.string(),
               kWaysOut);
  }
  if (from_root(config.init) == file->second || file_fingerprint(config.init) == fingerprint->second) return;
  fail_usage("{}: this run began with the weights of {}, not with init = {}; {}", folder.string(), file->second,
             config.init.string(), kWaysOut);
}

}  // namespace convmixer
