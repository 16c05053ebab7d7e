/// How fast something goes that is done step by step, measured by doing it for a while.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

namespace convmixer {

/// How long to measure.
struct StepRateLimits {
  double seconds = 4.0;    ///< for all steps; twice as long at most for the least number of them
  std::size_t warmup = 3;  ///< steps that don't count, as long as they don't take a third of the time
  std::size_t least = 3;   ///< that count
};

/// Rate of the steps that counted.
struct StepRate {
  double images_per_second = 0.0;  ///< the median of the steps
  double spread = 0.0;             ///< the median distance from it, as a share of it
  std::size_t steps = 0;
};

/// Does steps, at least one; each returns how many images it was for. A first step that alone takes longer than all
/// the time is the only one. `clock` gives seconds from any moment on. `counts`, when given, is called when the first
/// step that counts is about to begin.
[[nodiscard]] StepRate measure_step_rate(const StepRateLimits& limits, const std::function<double()>& clock,
                                         const std::function<std::int64_t()>& step,
                                         const std::function<void()>& counts = {});

}  // namespace convmixer
