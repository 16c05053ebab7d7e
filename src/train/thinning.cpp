#include "convmixer/train/thinning.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/plural.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

namespace convmixer {
namespace {

constexpr std::size_t kOfEachStretch = 3;  // lowest, highest, gap

/// Appends what is kept of values [begin, end), in order.
void keep_extremes(std::span<const double> values, std::size_t begin, std::size_t end, std::vector<std::size_t>& kept) {
  constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();
  std::size_t lowest = kNone;
  std::size_t highest = kNone;
  std::size_t gap = kNone;
  for (std::size_t i = begin; i < end; ++i) {
    if (!std::isfinite(values[i])) {
      gap = std::min(gap, i);
      continue;
    }
    if (lowest == kNone || values[i] < values[lowest]) lowest = i;
    if (highest == kNone || values[i] > values[highest]) highest = i;
  }
  std::array<std::size_t, kOfEachStretch> found{lowest, highest, gap};
  std::ranges::sort(found);
  for (const std::size_t i : found)
    if (i != kNone && (kept.empty() || kept.back() != i)) kept.push_back(i);
}

}  // namespace

std::vector<std::size_t> thinned(std::span<const double> values, std::size_t most) {
  constexpr std::size_t kLeast = 8;
  if (most < kLeast) fail_usage("a curve thinned to {}: expected at least {}", counted(most, "point"), kLeast);
  std::vector<std::size_t> kept;
  if (values.size() <= most) {
    kept.resize(values.size());
    std::iota(kept.begin(), kept.end(), std::size_t{0});
    return kept;
  }
  const std::size_t inner = values.size() - 2;
  const std::size_t stretches = (most - 2) / kOfEachStretch;
  kept.push_back(0);
  for (std::size_t i = 0; i < stretches; ++i)
    keep_extremes(values, 1 + inner * i / stretches, 1 + inner * (i + 1) / stretches, kept);
  kept.push_back(values.size() - 1);
  return kept;
}

std::vector<double> means_between(std::span<const double> values, std::span<const std::size_t> kept) {
  std::vector<double> means;
  means.reserve(kept.size());
  std::size_t next = 0;
  for (const std::size_t point : kept) {
    double sum = 0.0;
    std::size_t numbers = 0;
    for (; next <= point; ++next) {
      if (!std::isfinite(values[next])) continue;
      sum += values[next];
      ++numbers;
    }
    means.push_back(numbers > 0 ? sum / static_cast<double>(numbers) : std::numeric_limits<double>::quiet_NaN());
  }
  return means;
}

}  // namespace convmixer
