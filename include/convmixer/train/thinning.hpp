/// Curves of many points cut down to few for people to look at, without losing their peaks.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace convmixer {

/// Which points of a curve to keep, in their order: all of them if there are no more than `most` (at least 8), else the
/// first, the last, and of each of equally long stretches the lowest, the highest and, if it has one, the first that
/// is no number. So every stretch keeps its extremes, and a gap stays one. Throws Error (usage) for a smaller `most`.
[[nodiscard]] std::vector<std::size_t> thinned(std::span<const double> values, std::size_t most);

/// For each point that was kept the mean of those numbers that came after the one kept before it, its own among them;
/// NaN where there is none. A smooth line through these isn't pulled up or down by extremes, as one through them is.
[[nodiscard]] std::vector<double> means_between(std::span<const double> values, std::span<const std::size_t> kept);

}  // namespace convmixer
