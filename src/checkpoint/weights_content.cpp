#include "checkpoint/weights_content.hpp"

#include "checkpoint/network_tensors.hpp"
#include "convmixer/core/error.hpp"
#include "convmixer/core/plural.hpp"
#include "convmixer/model/model_file.hpp"
#include "convmixer/model/registry.hpp"
#include "io/metadata.hpp"
#include "io/tensor_list.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <variant>

namespace convmixer {

namespace {

using Shapes = std::map<std::string, Shape>;

Shapes shapes_of(const Graph& graph) {
  Shapes shapes;
  for (const Parameter& parameter : graph.parameters()) shapes[parameter.name] = parameter.shape;
  for (const Statistic& statistic : graph.statistics()) shapes[statistic.name] = statistic.shape;
  return shapes;
}

/// In what tensors aren't those that are expected; empty if they are.
std::string differences(const Shapes& found, const Shapes& expected) {
  TensorList missing;
  TensorList unexpected;
  TensorList others;
  for (const auto& [name, shape] : expected) {
    const auto there = found.find(name);
    if (there == found.end()) {
      missing.add(name);
    } else if (there->second != shape) {
      others.add(name, fmt::format(" (found {}, expected {})", there->second.to_string(), shape.to_string()));
    }
  }
  for (const auto& [name, shape] : found)
    if (!expected.contains(name)) unexpected.add(name);
  std::string text;
  for (const auto& [what, tensors] :
       {std::pair("missing", &missing), std::pair("unexpected", &unexpected), std::pair("of another shape", &others)})
    if (!tensors->empty()) text += fmt::format("{}{}: {}", text.empty() ? "" : "; ", what, tensors->text());
  return text;
}

/// What read_checkpoint_info and load_weights would refuse of a file isn't written.
void require_fitting(const std::filesystem::path& path, const Graph& graph, const CheckpointInfo& info) {
  const Graph expected = make_graph(info.model);
  if (const std::string text = differences(shapes_of(graph), shapes_of(expected)); !text.empty())
    fail_usage("{}: can't be written: the parameters aren't those of {}: {}", path.string(),
               describe_with_task(info.model), text);
  const ClassificationTask task = task_of(info.model);
  if (!has_valid_normalisation(info))
    fail_usage("{}: can't be written: mean = {}, std = {}: expected {} each, std above 0, or none", path.string(),
               metadata_from(info.mean), metadata_from(info.std), counted(task.channels, "finite number"));
  if (!info.class_names.empty() && std::ssize(info.class_names) != task.classes)
    fail_usage("{}: can't be written: {} for {}, expected one for each or none", path.string(),
               counted(info.class_names.size(), "name"), counted(task.classes, "class", "classes"));
  if (info.epoch < 0 || info.step < 0)
    fail_usage("{}: can't be written: epoch = {}, step = {}: expected at least 0", path.string(), info.epoch,
               info.step);
}

}  // namespace

bool has_valid_normalisation(const CheckpointInfo& info) {
  if (info.mean.empty() && info.std.empty()) return true;
  const auto channels = static_cast<std::size_t>(task_of(info.model).channels);
  return info.mean.size() == channels && info.std.size() == channels &&
         std::ranges::all_of(info.mean, [](float value) { return std::isfinite(value); }) &&
         std::ranges::all_of(info.std, [](float value) { return std::isfinite(value) && value > 0.0F; });
}

std::vector<std::string> batches_tracked_names(const Graph& graph) {
  std::vector<std::string> names;
  for (const Node& node : graph.nodes()) {
    if (std::holds_alternative<BatchNorm>(node.operation)) {
      names.push_back(fmt::format("{}{}", node.name, kBatchesTracked));
    }
  }
  return names;
}

std::map<std::string, std::string> weights_metadata(const CheckpointInfo& info) {
  std::map<std::string, std::string> metadata = model_metadata(info.model);
  metadata["format"] = "pt";  // PyTorch's layout of the tensors: loaders of the transformers family ask for it
  metadata["generator"] = generator();
  metadata["dataset"] = info.dataset;
  metadata["mean"] = metadata_from(info.mean);
  metadata["std"] = metadata_from(info.std);
  if (!info.fit.empty()) metadata["fit"] = info.fit;
  if (!info.class_names.empty()) metadata[kClassNamesKey] = metadata_from(info.class_names);
  for (const auto& [key, value] : info.data) metadata[fmt::format("{}{}", kDataKeyPrefix, key)] = value;
  metadata["epoch"] = fmt::format("{}", info.epoch);
  metadata["step"] = fmt::format("{}", info.step);
  metadata["test_accuracy"] = metadata_from(info.test_accuracy);
  if (!info.averaged.empty()) metadata["averaged"] = info.averaged;
  if (info.holdout_accuracy >= 0.0) metadata["holdout_accuracy"] = metadata_from(info.holdout_accuracy);
  return metadata;
}

std::vector<TensorView> weights_views(const std::filesystem::path& path, const Parameters& parameters,
                                      const CheckpointInfo& info) {
  require_fitting(path, parameters.graph(), info);
  // The counters come first: 8-byte elements begin at multiples of 8, 4-byte ones follow at multiples of 4.
  std::vector<TensorView> views;
  for (const std::string& name : batches_tracked_names(parameters.graph())) {
    const auto own = info.batches_tracked.find(name);
    const std::int64_t& batches = own == info.batches_tracked.end() ? info.step : own->second;
    views.push_back({name, DType::i64, {}, std::as_bytes(std::span(&batches, 1))});
  }
  std::vector<NamedTensor<const float>> tensors;
  list_network(parameters, "", "", tensors);
  for (const NamedTensor<const float>& tensor : tensors) views.push_back(view_of(tensor));
  return views;
}

}  // namespace convmixer
