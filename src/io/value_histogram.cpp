#include "io/value_histogram.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

namespace convmixer {
namespace {

std::vector<double> make_limits() {
  constexpr double kSmallest = 1e-12;
  constexpr double kLargest = 1e20;
  constexpr double kGrowth = 1.1;
  std::vector<double> above;
  for (double limit = kSmallest; limit < kLargest; limit *= kGrowth) above.push_back(limit);
  above.push_back(std::numeric_limits<double>::max());
  std::vector<double> limits;
  for (auto limit = above.rbegin(); limit != above.rend(); ++limit) limits.push_back(-*limit);
  limits.push_back(0.0);
  limits.insert(limits.end(), above.begin(), above.end());
  return limits;
}

const std::vector<double>& bucket_limits() {
  static const std::vector<double> limits = make_limits();
  return limits;
}

}  // namespace

ValueHistogram histogram_of(std::span<const float> values) {
  const std::vector<double>& limits = bucket_limits();
  std::vector<double> counts(limits.size());
  std::size_t first = limits.size();
  std::size_t last = 0;
  ValueHistogram histogram{.minimum = std::numeric_limits<double>::max(),
                           .maximum = std::numeric_limits<double>::lowest(),
                           .limits = {},
                           .counts = {}};
  for (const float number : values) {
    if (!std::isfinite(number)) continue;
    const auto value = static_cast<double>(number);
    const auto bucket = static_cast<std::size_t>(std::ranges::upper_bound(limits, value) - limits.begin());
    counts[bucket] += 1.0;
    first = std::min(first, bucket);
    last = std::max(last, bucket);
    histogram.minimum = std::min(histogram.minimum, value);
    histogram.maximum = std::max(histogram.maximum, value);
    ++histogram.count;
    histogram.sum += value;
    histogram.sum_squares += value * value;
  }
  if (histogram.count == 0) return {};
  // From the bucket below on, which no float lacks; its limit is where the first full one begins.
  for (std::size_t i = first - 1; i <= last; ++i) {
    const bool is_empty = counts[i] == 0.0;
    if (is_empty && counts[i + 1] == 0.0) continue;
    histogram.limits.push_back(limits[i]);
    histogram.counts.push_back(counts[i]);
  }
  return histogram;
}

}  // namespace convmixer
