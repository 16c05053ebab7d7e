/// How far two tensors are apart, measured against the larger one's size.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>

namespace convmixer::testing_support {

/// Largest |actual - expected| over largest |expected|; infinite if sizes differ or a value is not finite.
/// A tensor of zeros is compared absolutely.
template <typename Actual, typename Expected>
[[nodiscard]] double relative_error(std::span<const Actual> actual, std::span<const Expected> expected) {
  if (actual.size() != expected.size()) return std::numeric_limits<double>::infinity();
  double largest = 0.0;
  double difference = 0.0;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const auto a = static_cast<double>(actual[i]);
    const auto e = static_cast<double>(expected[i]);
    if (!std::isfinite(a) || !std::isfinite(e)) return std::numeric_limits<double>::infinity();
    largest = std::max(largest, std::abs(e));
    difference = std::max(difference, std::abs(a - e));
  }
  return largest > 0.0 ? difference / largest : difference;
}

}  // namespace convmixer::testing_support
