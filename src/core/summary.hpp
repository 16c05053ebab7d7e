/// What many timings of one thing come to.
#pragma once

#include <cstddef>
#include <vector>

namespace convmixer {

struct Summary {
  double median = 0.0;
  double mad = 0.0;  ///< median of the distances from the median: one slow sample in ten doesn't move it
};

/// Of at least one sample.
[[nodiscard]] Summary summarise(const std::vector<double>& samples);

/// Where the half of the samples that are nearest to the median are (rounded up), in ascending order of the sample.
[[nodiscard]] std::vector<std::size_t> middle_half(const std::vector<double>& samples);

}  // namespace convmixer
