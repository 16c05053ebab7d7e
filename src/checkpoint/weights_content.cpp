#include "checkpoint/weights_content.hpp"

#include "checkpoint/network_tensors.hpp"
#include "convmixer/model/model_file.hpp"
#include "io/metadata.hpp"

#include <fmt/format.h>

#include <variant>

namespace convmixer {

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

std::vector<TensorView> weights_views(const Parameters& parameters, const CheckpointInfo& info) {
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
