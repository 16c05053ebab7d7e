/// The learning rate as a pure function of the step.
#pragma once

#include <cstdint>

namespace convmixer {

enum class ScheduleKind {
  constant,
  piecewise_linear,  ///< (0, 0) -> (2/5, peak) -> (4/5, peak / 20) -> (1, 0), of the way
  cosine,            ///< linear warm-up from 0 to peak, then half a cosine down to `minimum` (SGDR, arXiv 1608.03983)
};

struct Schedule {
  ScheduleKind kind = ScheduleKind::constant;
  float peak = 1e-3F;             ///< the largest rate; finite, at least 0
  std::int64_t total_steps = 1;   ///< at least 1
  std::int64_t warmup_steps = 0;  ///< cosine only: 0 to total_steps
  float minimum = 0.0F;           ///< cosine only: 0 to peak
};

/// Throws Error (usage) naming the setting that is out of range.
void validate(const Schedule& schedule);

/// Learning rate of update number `step`, counted from 0. The schedules are read at the end of the
/// step, t = (step + 1) / total_steps, as numpy.interp is in locuslab/convmixer-cifar10's train.py: the last
/// piecewise-linear step has rate 0. Constant beyond total_steps. Throws Error (usage) as validate does, and for a
/// negative step.
[[nodiscard]] float learning_rate(const Schedule& schedule, std::int64_t step);

}  // namespace convmixer
