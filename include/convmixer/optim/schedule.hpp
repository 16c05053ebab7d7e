/// The learning rate as a pure function of the step.
#pragma once

#include <cstdint>

namespace convmixer {

enum class ScheduleKind {
  constant,          ///< after a linear warm-up from 0
  piecewise_linear,  ///< 0 up to peak, down to the knee, down to `minimum`: PiecewiseLinear says where
  cosine,            ///< linear warm-up from 0 to peak, then half a cosine down to `minimum` (SGDR, arXiv 1608.03983)
  linear,            ///< linear warm-up from 0 to peak, then a straight line down to `minimum`
  one_cycle,  ///< half a cosine from peak / 25 up to peak in `warmup_steps`, half a cosine down to peak / 250,000
};

/// Where a piecewise linear schedule bends, in shares of the whole way; as it is, locuslab/convmixer-cifar10's.
struct PiecewiseLinear {
  double peak_at = 0.4;      ///< there it is at its peak; 0 to 1
  double knee_at = 0.8;      ///< there it is at the knee; peak_at to 1
  double knee_share = 0.05;  ///< the knee's rate in shares of the peak's; 0 to 1
};

struct Schedule {
  ScheduleKind kind = ScheduleKind::constant;
  float peak = 1e-3F;             ///< the largest rate; finite, at least 0
  std::int64_t total_steps = 1;   ///< at least 1
  std::int64_t warmup_steps = 0;  ///< 0 to total_steps; not for piecewise_linear
  float minimum = 0.0F;           ///< 0 to peak, or to the knee's rate; neither for constant nor for one_cycle
  PiecewiseLinear bends{};        ///< piecewise_linear only
};

/// Whether a schedule of this kind heeds Schedule::warmup_steps, and Schedule::minimum.
[[nodiscard]] bool has_warmup(ScheduleKind kind) noexcept;
[[nodiscard]] bool has_minimum(ScheduleKind kind) noexcept;

/// Throws Error (usage) naming the setting that is out of range; settings that the kind doesn't heed may be anything.
void validate(const Schedule& schedule);

/// Learning rate of update number `step`, counted from 0. The schedules are read at the end of the
/// step, t = (step + 1) / total_steps, as numpy.interp is in locuslab/convmixer-cifar10's train.py: the last
/// piecewise-linear step has rate 0. One-cycle is read as torch.optim.lr_scheduler.OneCycleLR is, which has its first
/// rate, peak / 25, in step 0. Constant beyond total_steps. Throws Error (usage) as validate does, and for a negative
/// step.
[[nodiscard]] float learning_rate(const Schedule& schedule, std::int64_t step);

/// The rate of the last step, whatever the number of steps, of one whose warm-up isn't all of it.
[[nodiscard]] float final_learning_rate(const Schedule& schedule);

}  // namespace convmixer
