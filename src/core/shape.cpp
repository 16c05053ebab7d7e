#include "convmixer/core/shape.hpp"

#include "convmixer/core/error.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace convmixer {

void Shape::push_back(std::int64_t extent) {
  if (extent < 0) fail_usage("shape: an extent of {}, expected at least 0", extent);
  if (rank_ == kMaxRank) fail_usage("shape {}: expected at most {} extents, found more", to_string(), kMaxRank);
  std::int64_t product = count();
  if (__builtin_mul_overflow(product, extent, &product)) {
    fail_usage("shape {}: with an extent of {} more it has too many elements", to_string(), extent);
  }
  extents_[static_cast<std::size_t>(rank_++)] = extent;
}

void Shape::fail_axis(int axis) const {
  fail_usage("shape {}: no extent {}, expected 0 to {}", to_string(), axis, rank_ - 1);
}

std::string Shape::to_string() const {
  return fmt::format("({})", fmt::join(extents_.begin(), extents_.begin() + rank_, ", "));
}

}  // namespace convmixer
