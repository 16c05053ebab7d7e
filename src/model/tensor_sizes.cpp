#include "model/tensor_sizes.hpp"

#include "convmixer/core/error.hpp"

#include <charconv>
#include <limits>
#include <system_error>

namespace convmixer {

Shape positive_shape(const TensorFile& file, const std::string& name, int rank, std::string_view kind) {
  const Shape shape = file.tensor(name).shape;
  bool good = shape.rank() == rank;
  for (int axis = 0; good && axis < rank; ++axis) {
    good = shape[axis] >= 1 && shape[axis] <= std::numeric_limits<int>::max();
  }
  if (!good) fail("{}: tensor {}: shape {} is not that of {}", file.path().string(), name, shape.to_string(), kind);
  return shape;
}

int count_numbered(const TensorFile& file, std::string_view before, std::string_view after, int most) {
  int count = 0;
  for (auto tensor = file.tensors().lower_bound(std::string(before));
       tensor != file.tensors().end() && tensor->first.starts_with(before); ++tensor) {
    const std::string_view rest = std::string_view(tensor->first).substr(before.size());
    int number = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
    const std::string_view found_after = rest.substr(static_cast<std::size_t>(end - rest.data()));
    if (error == std::errc{} && found_after == after && number >= count && number < most) count = number + 1;
  }
  return count;
}

}  // namespace convmixer
