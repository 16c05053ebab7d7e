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

/// Whether tensors of a file may have infinities and values that are no numbers.
enum class FileValues { any, finite };

/// Throws Error unless every tensor is in the file with its shape, as F32, F16 or BF16 and with such values, and
/// nothing else but what `may_remain` accepts. The message names all that differ: "FILE: doesn't fit its model:
/// missing: head.bias; unexpected: blocks.4-7.1.bias (24); of another shape: head.weight (found (10, 24), expected
/// (3, 24))".
void require_tensors(const TensorFile& file, std::span<const NamedTensor<float>> tensors,
                     const std::function<bool(const std::string& name, const TensorFile::Entry&)>& may_remain,
                     FileValues values);

/// Fills every tensor from the file. Throws as require_tensors does, with nothing changed.
void fill_from(const TensorFile& file, std::span<const NamedTensor<float>> tensors,
               const std::function<bool(const std::string& name, const TensorFile::Entry&)>& may_remain,
               FileValues values = FileValues::any);

}  // namespace convmixer
