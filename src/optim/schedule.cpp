#include "convmixer/optim/schedule.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/plural.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace convmixer {

namespace {

double interpolate(double x, double x0, double y0, double x1, double y1) {
  return y0 + (y1 - y0) * ((x - x0) / (x1 - x0));
}

/// numpy.interp(n, [0, 2/5 total, 4/5 total, total], [0, peak, peak / 20, 0]) of locuslab/convmixer-cifar10's train.py.
double piecewise_linear(double peak, double n, double total) {
  const double first = 0.4 * total;
  const double second = 0.8 * total;
  const double low = peak / 20.0;
  if (n <= first) return interpolate(n, 0.0, 0.0, first, peak);
  if (n <= second) return interpolate(n, first, peak, second, low);
  return interpolate(n, second, low, total, 0.0);
}

/// Loshchilov & Hutter, "SGDR", arXiv 1608.03983, equation 5 without restarts, after a linear warm-up.
double cosine(const Schedule& schedule, double n, double total) {
  const double peak = schedule.peak;
  const double minimum = schedule.minimum;
  const auto warmup = static_cast<double>(schedule.warmup_steps);
  if (n <= warmup) return interpolate(n, 0.0, 0.0, warmup, peak);
  const double way = (n - warmup) / (total - warmup);
  return minimum + (peak - minimum) * 0.5 * (1.0 + std::cos(std::numbers::pi * way));
}

}  // namespace

void validate(const Schedule& schedule) {
  if (!(schedule.peak >= 0.0F) || !std::isfinite(schedule.peak)) {
    fail_usage("learning rate = {}: expected a number of at least 0", schedule.peak);
  }
  if (schedule.total_steps < 1) {
    fail_usage("schedule: {} in all, expected at least 1", counted(schedule.total_steps, "step"));
  }
  if (schedule.kind != ScheduleKind::cosine) return;
  if (schedule.warmup_steps < 0 || schedule.warmup_steps > schedule.total_steps) {
    fail_usage("schedule: {}, expected 0 to {}, the steps in all", counted(schedule.warmup_steps, "warm-up step"),
               schedule.total_steps);
  }
  if (!(schedule.minimum >= 0.0F) || schedule.minimum > schedule.peak) {
    fail_usage("minimum learning rate = {}: expected 0 to the peak, {}", schedule.minimum, schedule.peak);
  }
}

float learning_rate(const Schedule& schedule, std::int64_t step) {
  validate(schedule);
  if (step < 0) fail_usage("schedule: step {}, expected at least 0", step);
  const auto total = static_cast<double>(schedule.total_steps);
  const double n = std::min(static_cast<double>(step) + 1.0, total);
  switch (schedule.kind) {
    case ScheduleKind::constant:
      break;
    case ScheduleKind::piecewise_linear:
      return static_cast<float>(piecewise_linear(schedule.peak, n, total));
    case ScheduleKind::cosine:
      return static_cast<float>(cosine(schedule, n, total));
  }
  return schedule.peak;
}

}  // namespace convmixer
