/// The shortest of many runs.
#pragma once

#include <algorithm>
#include <chrono>
#include <limits>

namespace convmixer::perf {

/// Seconds of the fastest call of `body` among those that fit into `time`; at least two are made, as the first finds
/// cold caches and sleeping threads.
template <typename Body>
[[nodiscard]] double best_time(std::chrono::duration<double> time, const Body& body) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  double best = std::numeric_limits<double>::infinity();
  for (int runs = 0; runs < 2 || Clock::now() - start < time; ++runs) {
    const auto begin = Clock::now();
    body();
    best = std::min(best, std::chrono::duration<double>(Clock::now() - begin).count());
  }
  return best;
}

}  // namespace convmixer::perf
