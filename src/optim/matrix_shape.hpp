/// Parameters as matrices.
#pragma once

#include "convmixer/core/shape.hpp"

#include <cstddef>

namespace convmixer {

/// Of a weight of shape (out, in, ...): out x all the rest.
struct MatrixShape {
  std::size_t rows;
  std::size_t columns;
};

/// Of a shape of at least two extents.
[[nodiscard]] inline MatrixShape matrix_shape(const Shape& shape) {
  const std::int64_t rows = shape[0];
  return {static_cast<std::size_t>(rows), static_cast<std::size_t>(rows == 0 ? 0 : shape.count() / rows)};
}

}  // namespace convmixer
