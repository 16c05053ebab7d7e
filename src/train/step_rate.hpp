/// How fast something goes that is done step by step, measured by doing it for a while.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

namespace convmixer {

inline constexpr double kLeastSeconds = 1e-9;  ///< so that nothing is divided by none

/// How long to measure.
struct StepRateLimits {
  double seconds = 4.0;    ///< for all steps; twice as long at most for the least number of them
  std::size_t warmup = 3;  ///< steps that don't count, as long as they don't take a third of the time
  std::size_t least = 3;   ///< that count
};

/// One step.
struct StepDone {
  std::int64_t images = 0;
  double waited = 0.0;  ///< seconds of it for what it needs, which come in bursts and are no part of its own time
};

/// Of the steps that counted.
struct StepRate {
  double images_per_second = 0.0;  ///< of the median step's own time and the mean of what was waited
  double spread = 0.0;             ///< the median distance of a step's own time from the median, as a share of it
  double wait_share = 0.0;         ///< of the time, that was waited
  std::size_t steps = 0;
};

/// Does steps, at least one. A first step that alone takes longer than all the time is the only one. `clock` gives
/// seconds from any moment on.
[[nodiscard]] StepRate measure_step_rate(const StepRateLimits& limits, const std::function<double()>& clock,
                                         const std::function<StepDone()>& step);

}  // namespace convmixer
