#include "checkpoint/network_tensors.hpp"
#include "checkpoint/weights_content.hpp"
#include "checkpoint/weights_file.hpp"
#include "convmixer/checkpoint/checkpoint.hpp"
#include "convmixer/core/error.hpp"
#include "convmixer/io/safetensors.hpp"
#include "convmixer/model/model_file.hpp"
#include "convmixer/model/registry.hpp"
#include "io/metadata.hpp"
#include "io/named_tensors.hpp"
#include "io/quoted.hpp"
#include "io/tensor_list.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <span>
#include <string_view>

namespace convmixer {

namespace {

constexpr std::int64_t kMostInt64 = std::numeric_limits<std::int64_t>::max();
constexpr std::string_view kModelsAveraged = "n_averaged";  // of torch.optim.swa_utils.AveragedModel

/// Mean and standard deviation are given per channel, or not at all.
void check_normalisation(const TensorFile& file, const CheckpointInfo& info) {
  if (!has_valid_normalisation(info)) {
    fail("{}: metadata mean = {}, std = {}: expected {} numbers each, std above 0", file.path().string(),
         quoted(file.metadata("mean")), quoted(file.metadata("std")), task_of(info.model).channels);
  }
}

/// What files of earlier releases don't have.
void read_data(const TensorFile& file, CheckpointInfo& info) {
  const auto fit = file.metadata().find("fit");
  if (fit != file.metadata().end()) info.fit = fit->second;
  const auto averaged = file.metadata().find("averaged");
  if (averaged != file.metadata().end()) info.averaged = averaged->second;
  if (file.metadata().contains(kClassNamesKey)) {
    info.class_names = metadata_texts(file, kClassNamesKey);
    if (std::ssize(info.class_names) != task_of(info.model).classes)
      fail("{}: metadata {}: found {} names for {} classes", file.path().string(), kClassNamesKey,
           info.class_names.size(), task_of(info.model).classes);
  }
  for (const auto& [key, value] : file.metadata())
    if (key.starts_with(kDataKeyPrefix)) info.data[key.substr(kDataKeyPrefix.size())] = value;
}

/// The counters that aren't the file's number of steps, as where layers were frozen for a while.
void read_batches_tracked(const TensorFile& file, CheckpointInfo& info) {
  for (const auto& [name, entry] : file.tensors()) {
    if (!name.ends_with(kBatchesTracked) || entry.dtype != DType::i64 || entry.shape != Shape{}) continue;
    const std::int64_t batches = file.read_int64(name).front();
    if (batches != info.step) info.batches_tracked[name] = batches;
  }
}

using MayRemain = std::function<bool(const std::string& name, const TensorFile::Entry&)>;

/// What may be in a file besides parameters and statistics.
MayRemain counters_of(const Graph& graph) {
  return [counters = batches_tracked_names(graph)](const std::string& name, const TensorFile::Entry& entry) {
    const bool counts = name == kModelsAveraged || std::ranges::find(counters, name) != counters.end();
    return counts && entry.dtype == DType::i64 && entry.shape == Shape{};
  };
}

/// Throws Error unless a file has the tensors of its model, before there is memory for their values.
void require_tensors_of(const TensorFile& file, const ModelConfig& model) {
  const Graph graph = make_graph(model);
  std::vector<NamedTensor<float>> tensors;
  for (const Parameter& parameter : graph.parameters()) tensors.push_back({parameter.name, parameter.shape, {}});
  for (const Statistic& statistic : graph.statistics()) tensors.push_back({statistic.name, statistic.shape, {}});
  require_tensors(file, tensors, counters_of(graph), FileValues::any);
}

/// No norm can divide by the root of a negative number.
void require_variances(const TensorFile& file, std::span<const NamedTensor<float>> tensors) {
  TensorList negative;
  for (const NamedTensor<float>& tensor : tensors) {
    if (!tensor.name.ends_with(".running_var")) continue;
    std::vector<float> values(tensor.values.size());
    file.read(tensor.name, tensor.shape, values);
    if (std::ranges::any_of(values, [](float value) { return value < 0.0F; })) negative.add(tensor.name);
  }
  if (!negative.empty()) fail("{}: variances below 0, expected at least 0: {}", file.path().string(), negative.text());
}

}  // namespace

void save_weights(const std::filesystem::path& path, const Parameters& parameters, const CheckpointInfo& info) {
  write_safetensors(path, weights_views(path, parameters, info), weights_metadata(info));
}

CheckpointInfo read_checkpoint_info(const std::filesystem::path& path) {
  const TensorFile file = open_weights(path);
  CheckpointInfo info;
  info.model = read_model(file);
  require_tensors_of(file, info.model);
  if (!is_own(file)) {
    read_batches_tracked(file, info);
    return info;
  }
  info.dataset = file.metadata("dataset");
  info.mean = metadata_floats(file, "mean");
  info.std = metadata_floats(file, "std");
  check_normalisation(file, info);
  read_data(file, info);
  info.epoch = metadata_int64(file, "epoch", 0, kMostInt64);
  info.step = metadata_int64(file, "step", 0, kMostInt64);
  info.test_accuracy = metadata_double(file, "test_accuracy");
  if (file.metadata().contains("holdout_accuracy")) info.holdout_accuracy = metadata_double(file, "holdout_accuracy");
  read_batches_tracked(file, info);
  return info;
}

void load_weights(const std::filesystem::path& path, Parameters& parameters) {
  const TensorFile file = open_weights(path);
  std::vector<NamedTensor<float>> tensors;
  list_network(parameters, "", "", tensors);
  const MayRemain may_remain = counters_of(parameters.graph());
  require_tensors(file, tensors, may_remain, FileValues::finite);
  require_variances(file, tensors);
  fill_from(file, tensors, may_remain);
}

}  // namespace convmixer
