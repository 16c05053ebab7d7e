/// Tensors in memory with the names they have in a file.
#pragma once

#include "convmixer/core/shape.hpp"
#include "convmixer/io/safetensors.hpp"

#include <functional>
#include <span>
#include <string>
#include <vector>

namespace convmixer {

/// A borrowed f32 tensor; Value is float or const float.
template <typename Value>
struct NamedTensor {
  std::string name;
  Shape shape;
  std::span<Value> values;
};

/// For writing.
[[nodiscard]] TensorView view_of(const NamedTensor<const float>& tensor);

/// Fills every tensor from the file, after checking all: each must be there with its shape, and nothing else may be but
/// what `may_remain` accepts. Throws Error naming file and tensor with nothing changed.
void fill_from(const TensorFile& file, std::span<const NamedTensor<float>> tensors,
               const std::function<bool(const std::string& name, const TensorFile::Entry&)>& may_remain);

}  // namespace convmixer
