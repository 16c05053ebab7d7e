#include "convmixer/export/weights.hpp"

#include "checkpoint/weights_content.hpp"
#include "convmixer/core/error.hpp"
#include "convmixer/core/precision.hpp"
#include "convmixer/io/pytorch_file.hpp"
#include "convmixer/io/safetensors.hpp"
#include "io/half_precision.hpp"
#include "io/tensor_place.hpp"
#include "model/weight_names.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace convmixer {
namespace {

/// What stands for a naming in the metadata.
std::string name_of(WeightNaming naming) {
  switch (naming) {
    case WeightNaming::timm:
      return "timm";
    case WeightNaming::locuslab:
      return "locuslab";
    case WeightNaming::paper:
      return "paper";
    case WeightNaming::labml:
      return "labml";
  }
  return {};
}

float value_of(const TensorView& tensor, std::size_t index) {
  float value = 0.0F;
  std::memcpy(&value, tensor.bytes.data() + index * sizeof(value), sizeof(value));
  return value;
}

std::size_t count_of(const TensorView& tensor) { return static_cast<std::size_t>(tensor.shape.count()); }

void check_finite(const std::filesystem::path& path, const TensorView& tensor) {
  for (std::size_t i = 0; i < count_of(tensor); ++i) {
    const float value = value_of(tensor, i);
    if (std::isfinite(value)) continue;
    fail("{}: element {} of {} is {}: expected finite numbers", tensor_place(path, tensor.name), i, count_of(tensor),
         value);
  }
}

/// An f32 tensor's values in 16 bits each.
std::vector<std::uint16_t> narrowed(const std::filesystem::path& path, const TensorView& tensor, DType elements) {
  const bool half = elements == DType::f16;
  std::vector<std::uint16_t> values(count_of(tensor));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float value = value_of(tensor, i);
    values[i] = half ? to_f16(value) : to_bf16(value);
    if (std::isfinite(half ? from_f16(values[i]) : from_bf16(values[i]))) continue;
    fail("{}: can't be written: {} is beyond the range of {}", tensor_place(path, tensor.name), value,
         half ? "f16, 65504; bf16 has f32's" : "bf16");
  }
  return values;
}

void rename(std::vector<TensorView>& tensors, WeightNaming naming) {
  std::vector<std::string> names;
  for (const TensorView& tensor : tensors) names.push_back(tensor.name);
  const std::map<std::string, std::string> there = names_there(naming, names);
  for (TensorView& tensor : tensors)
    if (const auto other = there.find(tensor.name); other != there.end()) tensor.name = other->second;
}

}  // namespace

void export_weights(const std::filesystem::path& path, const Parameters& parameters, const CheckpointInfo& info,
                    const WeightsFormat& format) {
  if (format.elements != DType::f32 && format.elements != DType::f16 && format.elements != DType::bf16)
    fail_usage("{}: weights can be written as f32, f16 and bf16", path.string());
  std::vector<TensorView> tensors = weights_views(path, parameters, info);
  std::deque<std::vector<std::uint16_t>> rounded;  // what the views of narrower tensors borrow
  for (TensorView& tensor : tensors) {
    if (tensor.dtype != DType::f32) continue;
    check_finite(path, tensor);
    if (format.elements == DType::f32) continue;
    const auto& values = rounded.emplace_back(narrowed(path, tensor, format.elements));
    tensor.dtype = format.elements;
    tensor.bytes = std::as_bytes(std::span(values));
  }
  rename(tensors, format.names);
  std::map<std::string, std::string> metadata = weights_metadata(info);
  if (format.names != WeightNaming::timm) metadata[kNamesKey] = name_of(format.names);
  if (format.container == WeightsContainer::pytorch) {
    write_pytorch_file(path, tensors, metadata);
  } else {
    write_safetensors(path, tensors, metadata);
  }
}

}  // namespace convmixer
