#include "convmixer/core/shape.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace convmixer {

std::string Shape::to_string() const {
  return fmt::format("({})", fmt::join(extents_.begin(), extents_.begin() + rank_, ", "));
}

}  // namespace convmixer
