#include "checkpoint/network_tensors.hpp"
#include "checkpoint/weights_file.hpp"
#include "convmixer/checkpoint/checkpoint.hpp"
#include "convmixer/core/error.hpp"
#include "convmixer/io/safetensors.hpp"
#include "convmixer/model/model_file.hpp"
#include "io/metadata.hpp"
#include "io/named_tensors.hpp"
#include "io/quoted.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <string_view>
#include <variant>

namespace convmixer {

namespace {

constexpr std::int64_t kMostInt64 = std::numeric_limits<std::int64_t>::max();
constexpr const char* kClassNames = "class_names";
constexpr std::string_view kDataPrefix = "data.";
constexpr std::string_view kBatchesTracked = ".num_batches_tracked";

/// PyTorch's batch norm counts its training batches in a tensor of its own; load_state_dict asks for it.
std::vector<std::string> batches_tracked_names(const Graph& graph) {
  std::vector<std::string> names;
  for (const Node& node : graph.nodes()) {
    if (std::holds_alternative<BatchNorm>(node.operation)) {
      names.push_back(fmt::format("{}{}", node.name, kBatchesTracked));
    }
  }
  return names;
}

std::map<std::string, std::string> to_metadata(const CheckpointInfo& info) {
  std::map<std::string, std::string> metadata = model_metadata(info.model);
  metadata["format"] = "pt";  // PyTorch's layout of the tensors: loaders of the transformers family ask for it
  metadata["generator"] = generator();
  metadata["dataset"] = info.dataset;
  metadata["mean"] = metadata_from(info.mean);
  metadata["std"] = metadata_from(info.std);
  if (!info.fit.empty()) metadata["fit"] = info.fit;
  if (!info.class_names.empty()) metadata[kClassNames] = metadata_from(info.class_names);
  for (const auto& [key, value] : info.data) metadata[fmt::format("{}{}", kDataPrefix, key)] = value;
  metadata["epoch"] = fmt::format("{}", info.epoch);
  metadata["step"] = fmt::format("{}", info.step);
  metadata["test_accuracy"] = metadata_from(info.test_accuracy);
  return metadata;
}

/// Mean and standard deviation are given per channel, or not at all.
void check_normalisation(const TensorFile& file, const CheckpointInfo& info) {
  const auto channels = static_cast<std::size_t>(task_of(info.model).channels);
  const bool absent = info.mean.empty() && info.std.empty();
  const bool positive = std::ranges::all_of(info.std, [](float value) { return value > 0.0F; });
  if (!absent && (info.mean.size() != channels || info.std.size() != channels || !positive)) {
    fail("{}: metadata mean = {}, std = {}: expected {} numbers each, std above 0", file.path().string(),
         quoted(file.metadata("mean")), quoted(file.metadata("std")), channels);
  }
}

/// What files of earlier releases don't have.
void read_data(const TensorFile& file, CheckpointInfo& info) {
  const auto fit = file.metadata().find("fit");
  if (fit != file.metadata().end()) info.fit = fit->second;
  if (file.metadata().contains(kClassNames)) {
    info.class_names = metadata_texts(file, kClassNames);
    if (std::ssize(info.class_names) != task_of(info.model).classes)
      fail("{}: metadata {}: found {} names for {} classes", file.path().string(), kClassNames, info.class_names.size(),
           task_of(info.model).classes);
  }
  for (const auto& [key, value] : file.metadata())
    if (key.starts_with(kDataPrefix)) info.data[key.substr(kDataPrefix.size())] = value;
}

}  // namespace

void save_weights(const std::filesystem::path& path, const Parameters& parameters, const CheckpointInfo& info) {
  // The counters come first: 8-byte elements begin at multiples of 8, 4-byte ones follow at multiples of 4.
  std::vector<TensorView> views;
  for (const std::string& name : batches_tracked_names(parameters.graph())) {
    views.push_back({name, DType::i64, {}, std::as_bytes(std::span(&info.step, 1))});
  }
  std::vector<NamedTensor<const float>> tensors;
  list_network(parameters, "", "", tensors);
  for (const NamedTensor<const float>& tensor : tensors) views.push_back(view_of(tensor));
  write_safetensors(path, views, to_metadata(info));
}

CheckpointInfo read_checkpoint_info(const std::filesystem::path& path) {
  const TensorFile file = open_weights(path);
  CheckpointInfo info;
  info.model = read_model(file);
  if (!is_own(file)) return info;

  info.dataset = file.metadata("dataset");
  info.mean = metadata_floats(file, "mean");
  info.std = metadata_floats(file, "std");
  check_normalisation(file, info);
  read_data(file, info);
  info.epoch = metadata_int64(file, "epoch", 0, kMostInt64);
  info.step = metadata_int64(file, "step", 0, kMostInt64);
  info.test_accuracy = metadata_double(file, "test_accuracy");
  return info;
}

void load_weights(const std::filesystem::path& path, Parameters& parameters) {
  const TensorFile file = open_weights(path);
  std::vector<NamedTensor<float>> tensors;
  list_network(parameters, "", "", tensors);
  const std::vector<std::string> counters = batches_tracked_names(parameters.graph());
  fill_from(file, tensors, [&](const std::string& name, const TensorFile::Entry& entry) {
    return std::ranges::find(counters, name) != counters.end() && entry.dtype == DType::i64 && entry.shape == Shape{};
  });
}

}  // namespace convmixer
