/// What a few measurements of one thing say of all that there could be.
#pragma once

#include <cstddef>
#include <span>

namespace convmixer {

struct SampleStatistics {
  std::size_t count = 0;
  double mean = 0.0;                ///< NaN of no values
  double standard_deviation = 0.0;  ///< sqrt(sum (x - mean)^2 / (count - 1)); NaN of fewer than two values
  double standard_error = 0.0;      ///< of the mean: standard_deviation / sqrt(count); NaN likewise
};

[[nodiscard]] SampleStatistics sample_statistics(std::span<const double> values);

}  // namespace convmixer
