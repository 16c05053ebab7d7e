#include "io/named_tensors.hpp"

#include "convmixer/core/error.hpp"
#include "io/quoted.hpp"

#include <set>
#include <string_view>

namespace convmixer {

TensorView view_of(const NamedTensor<const float>& tensor) {
  return {tensor.name, DType::f32, tensor.shape, std::as_bytes(tensor.values)};
}

void fill_from(const TensorFile& file, std::span<const NamedTensor<float>> tensors,
               const std::function<bool(const std::string& name, const TensorFile::Entry&)>& may_remain) {
  std::set<std::string_view> names;
  for (const NamedTensor<float>& tensor : tensors) {
    file.require_floats(tensor.name, tensor.shape);
    names.insert(tensor.name);
  }
  for (const auto& [name, entry] : file.tensors()) {
    if (!names.contains(name) && !may_remain(name, entry)) {
      fail("{}: has a tensor {} of shape {} that the model lacks", file.path().string(), quoted(name),
           entry.shape.to_string());
    }
  }
  for (const NamedTensor<float>& tensor : tensors) file.read(tensor.name, tensor.shape, tensor.values);
}

}  // namespace convmixer
