/// Numbers by how many lie where, in the buckets that TensorBoard's histograms have.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace convmixer {

/// As tensorflow/core/lib/histogram/histogram.cc has them: the limits are 0, +-1e-12 * 1.1^k up to 1e20, and the
/// largest double. A value counts in the first bucket whose limit is above it.
struct ValueHistogram {
  double minimum = 0.0;  ///< of no values 0, as the others
  double maximum = 0.0;
  std::int64_t count = 0;
  double sum = 0.0;
  double sum_squares = 0.0;
  std::vector<double> limits;  ///< of buckets, upper ones, exclusive, rising
  std::vector<double> counts;  ///< of them; empty buckets side by side are one, the first is empty, the last one isn't
};

/// Numbers that are not finite don't count.
[[nodiscard]] ValueHistogram histogram_of(std::span<const float> values);

}  // namespace convmixer
