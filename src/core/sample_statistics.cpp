#include "convmixer/core/sample_statistics.hpp"

#include <cmath>
#include <limits>
#include <numeric>

namespace convmixer {

SampleStatistics sample_statistics(std::span<const double> values) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  SampleStatistics result{.count = values.size(), .mean = kNone, .standard_deviation = kNone, .standard_error = kNone};
  if (values.empty()) return result;
  const auto count = static_cast<double>(values.size());
  result.mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
  if (values.size() < 2) return result;
  double squares = 0.0;
  for (const double value : values) squares += (value - result.mean) * (value - result.mean);
  result.standard_deviation = std::sqrt(squares / (count - 1.0));
  result.standard_error = result.standard_deviation / std::sqrt(count);
  return result;
}

}  // namespace convmixer
