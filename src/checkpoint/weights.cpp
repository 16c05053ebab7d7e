#include "checkpoint/network_tensors.hpp"
#include "convmixer/checkpoint/checkpoint.hpp"
#include "convmixer/core/error.hpp"
#include "io/metadata.hpp"
#include "io/named_tensors.hpp"
#include "io/quoted.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <string_view>
#include <variant>

namespace convmixer {

namespace {

constexpr std::int64_t kMostInt = std::numeric_limits<int>::max();
constexpr std::int64_t kMostInt64 = std::numeric_limits<std::int64_t>::max();
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
  return {
      {"format", "pt"},  // PyTorch's layout of the tensors: loaders of the transformers family ask for it
      {"generator", generator()},
      {"model", "convmixer"},
      {"dim", std::to_string(info.model.dim)},
      {"depth", std::to_string(info.model.depth)},
      {"kernel_size", std::to_string(info.model.kernel_size)},
      {"patch_size", std::to_string(info.model.patch_size)},
      {"image_size", std::to_string(info.model.image_size)},
      {"channels", std::to_string(info.model.channels)},
      {"classes", std::to_string(info.model.classes)},
      {"dataset", info.dataset},
      {"mean", metadata_from(info.mean)},
      {"std", metadata_from(info.std)},
      {"epoch", std::to_string(info.epoch)},
      {"step", std::to_string(info.step)},
      {"test_accuracy", metadata_from(info.test_accuracy)},
  };
}

/// Shape of a tensor that every ConvMixer has, of positive extents that fit an int.
Shape positive_shape(const SafetensorsFile& file, const std::string& name, int rank) {
  const Shape shape = file.tensor(name).shape;
  bool good = shape.rank() == rank;
  for (int axis = 0; good && axis < rank; ++axis) good = shape[axis] >= 1 && shape[axis] <= kMostInt;
  if (!good) {
    fail("{}: tensor {}: shape {} is not that of a ConvMixer", file.path().string(), name, shape.to_string());
  }
  return shape;
}

ConvMixerConfig model_from_shapes(const SafetensorsFile& file) {
  const Shape stem = positive_shape(file, "stem.0.weight", 4);                // (dim, channels, patch, patch)
  const Shape depthwise = positive_shape(file, "blocks.0.0.fn.0.weight", 4);  // (dim, 1, kernel, kernel)
  const Shape head = positive_shape(file, "head.weight", 2);                  // (classes, dim)
  ConvMixerConfig model;
  model.dim = static_cast<int>(stem[0]);
  model.channels = static_cast<int>(stem[1]);
  model.patch_size = static_cast<int>(stem[2]);
  model.kernel_size = static_cast<int>(depthwise[2]);
  model.classes = static_cast<int>(head[0]);
  model.depth = 1;
  while (file.contains(fmt::format("blocks.{}.0.fn.0.weight", model.depth))) ++model.depth;
  return model;
}

/// The metadata says the same of the model as the tensors do.
void check_model(const SafetensorsFile& file, const ConvMixerConfig& model) {
  struct Size {
    const char* key;
    int found;
  };
  for (const Size& size : std::array<Size, 6>{{{"dim", model.dim},
                                               {"depth", model.depth},
                                               {"kernel_size", model.kernel_size},
                                               {"patch_size", model.patch_size},
                                               {"channels", model.channels},
                                               {"classes", model.classes}}}) {
    const std::int64_t stated = metadata_int64(file, size.key, 1, kMostInt);
    if (stated != size.found) {
      fail("{}: metadata {} = {}, but its tensors have {}", file.path().string(), size.key, stated, size.found);
    }
  }
}

/// Mean and standard deviation are given per channel, or not at all.
void check_normalisation(const SafetensorsFile& file, const CheckpointInfo& info) {
  const auto channels = static_cast<std::size_t>(info.model.channels);
  const bool absent = info.mean.empty() && info.std.empty();
  const bool positive = std::ranges::all_of(info.std, [](float value) { return value > 0.0F; });
  if (!absent && (info.mean.size() != channels || info.std.size() != channels || !positive)) {
    fail("{}: metadata mean = {}, std = {}: expected {} numbers each, std above 0", file.path().string(),
         quoted(file.metadata("mean")), quoted(file.metadata("std")), channels);
  }
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
  const SafetensorsFile file(path);
  CheckpointInfo info;
  info.model = model_from_shapes(file);
  const auto program = file.metadata().find("generator");
  if (program == file.metadata().end() || !program->second.starts_with("convmixer ")) return info;

  check_model(file, info.model);
  info.model.image_size = static_cast<int>(metadata_int64(file, "image_size", info.model.patch_size, kMostInt));
  info.dataset = file.metadata("dataset");
  info.mean = metadata_floats(file, "mean");
  info.std = metadata_floats(file, "std");
  check_normalisation(file, info);
  info.epoch = metadata_int64(file, "epoch", 0, kMostInt64);
  info.step = metadata_int64(file, "step", 0, kMostInt64);
  info.test_accuracy = metadata_double(file, "test_accuracy");
  return info;
}

void load_weights(const std::filesystem::path& path, Parameters& parameters) {
  const SafetensorsFile file(path);
  std::vector<NamedTensor<float>> tensors;
  list_network(parameters, "", "", tensors);
  const std::vector<std::string> counters = batches_tracked_names(parameters.graph());
  fill_from(file, tensors, [&](const std::string& name, const SafetensorsFile::Entry& entry) {
    return std::ranges::find(counters, name) != counters.end() && entry.dtype == DType::i64 && entry.shape == Shape{};
  });
}

}  // namespace convmixer
