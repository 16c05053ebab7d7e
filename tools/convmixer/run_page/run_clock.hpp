/// Where a run's steps are in epochs and in seconds.
#pragma once

#include "convmixer/train/run_history.hpp"

#include <vector>

namespace convmixer::tool {

/// Corners of a line, between which it is straight; all three rise or stay. A step that several corners have is at the
/// first of them: in the others seconds pass that evaluation takes.
struct RunClock {
  std::vector<double> steps;
  std::vector<double> epochs;
  std::vector<double> seconds;
};

/// By the records of epochs, and of steps where they say their time; steps of releases whose records don't are placed
/// by their images/s.
[[nodiscard]] RunClock run_clock(const RunHistory& run);

}  // namespace convmixer::tool
