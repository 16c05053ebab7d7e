#include "convmixer/optim/schedule.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/plural.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string_view>

namespace convmixer {

namespace {

// Defaults of torch.optim.lr_scheduler.OneCycleLR: div_factor, and final_div_factor on top of it.
constexpr double kOneCycleStart = 25.0;
constexpr double kOneCycleEnd = kOneCycleStart * 1e4;

double interpolate(double x, double x0, double y0, double x1, double y1) {
  return y0 + (y1 - y0) * ((x - x0) / (x1 - x0));
}

/// Half a cosine, of which `way`, 0 to 1, is done.
double anneal(double from, double to, double way) {
  return to + (from - to) * 0.5 * (1.0 + std::cos(std::numbers::pi * way));
}

/// A division, so that a share of 0.05 is lr / 20 to the last bit, as in locuslab/convmixer-cifar10's train.py.
double knee(const Schedule& schedule) {
  const double share = schedule.bends.knee_share;
  return share > 0.0 ? schedule.peak / (1.0 / share) : 0.0;
}

/// numpy.interp(n, [0, 2/5 total, 4/5 total, total], [0, peak, peak / 20, 0]) of locuslab/convmixer-cifar10's train.py,
/// as the bends are if left alone.
double piecewise_linear(const Schedule& schedule, double n, double total) {
  const double peak = schedule.peak;
  const double first = schedule.bends.peak_at * total;
  const double second = schedule.bends.knee_at * total;
  const double low = knee(schedule);
  if (n <= first) return interpolate(n, 0.0, 0.0, first, peak);
  if (n <= second) return interpolate(n, first, peak, second, low);
  return interpolate(n, second, low, total, schedule.minimum);
}

/// Loshchilov & Hutter, "SGDR", arXiv 1608.03983, equation 5 without restarts, or a straight line, after the warm-up.
double fall(const Schedule& schedule, double n, double total) {
  const double peak = schedule.peak;
  const double minimum = schedule.minimum;
  const auto warmup = static_cast<double>(schedule.warmup_steps);
  const double way = (n - warmup) / (total - warmup);
  return schedule.kind == ScheduleKind::cosine ? anneal(peak, minimum, way) : interpolate(way, 0.0, peak, 1.0, minimum);
}

/// Smith & Topin, "Super-Convergence", arXiv 1708.07120, in the two phases of PyTorch's OneCycleLR with pct_start =
/// warmup_steps / total_steps. `step` is counted from 0.
double one_cycle(const Schedule& schedule, double step) {
  const double peak = schedule.peak;
  const double top = static_cast<double>(schedule.warmup_steps) - 1.0;
  const double last = static_cast<double>(schedule.total_steps) - 1.0;
  if (step <= top && top > 0.0) return anneal(peak / kOneCycleStart, peak, step / top);
  if (step <= top) return peak;
  return anneal(peak, peak / kOneCycleEnd, (step - top) / (last - top));
}

void require_share(std::string_view what, double value, double least) {
  if (!(value >= least) || value > 1.0) fail_usage("{} = {}: expected {} to 1", what, value, least);
}

void validate_bends(const Schedule& schedule) {
  require_share("peak-at", schedule.bends.peak_at, 0.0);
  require_share("knee-at", schedule.bends.knee_at, schedule.bends.peak_at);
  require_share("knee-share", schedule.bends.knee_share, 0.0);
  const auto low = static_cast<float>(knee(schedule));
  if (schedule.minimum > low) {
    fail_usage("minimum learning rate = {}: expected 0 to the knee's, {}", schedule.minimum, low);
  }
}

}  // namespace

bool has_warmup(ScheduleKind kind) noexcept { return kind != ScheduleKind::piecewise_linear; }

bool has_minimum(ScheduleKind kind) noexcept {
  return kind != ScheduleKind::constant && kind != ScheduleKind::one_cycle;
}

void validate(const Schedule& schedule) {
  if (!(schedule.peak >= 0.0F) || !std::isfinite(schedule.peak)) {
    fail_usage("learning rate = {}: expected a number of at least 0", schedule.peak);
  }
  if (schedule.total_steps < 1) {
    fail_usage("schedule: {} in all, expected at least 1", counted(schedule.total_steps, "step"));
  }
  if (has_warmup(schedule.kind) && (schedule.warmup_steps < 0 || schedule.warmup_steps > schedule.total_steps)) {
    fail_usage("schedule: {}, expected 0 to {}, the steps in all", counted(schedule.warmup_steps, "warm-up step"),
               schedule.total_steps);
  }
  if (has_minimum(schedule.kind) && (!(schedule.minimum >= 0.0F) || schedule.minimum > schedule.peak)) {
    fail_usage("minimum learning rate = {}: expected 0 to the peak, {}", schedule.minimum, schedule.peak);
  }
  if (schedule.kind == ScheduleKind::piecewise_linear) validate_bends(schedule);
}

float learning_rate(const Schedule& schedule, std::int64_t step) {
  validate(schedule);
  if (step < 0) fail_usage("schedule: step {}, expected at least 0", step);
  const auto total = static_cast<double>(schedule.total_steps);
  const auto warmup = static_cast<double>(schedule.warmup_steps);
  const double n = std::min(static_cast<double>(step) + 1.0, total);
  if (schedule.kind == ScheduleKind::piecewise_linear) return static_cast<float>(piecewise_linear(schedule, n, total));
  if (schedule.kind == ScheduleKind::one_cycle) return static_cast<float>(one_cycle(schedule, n - 1.0));
  if (n <= warmup) return static_cast<float>(interpolate(n, 0.0, 0.0, warmup, schedule.peak));
  return schedule.kind == ScheduleKind::constant ? schedule.peak : static_cast<float>(fall(schedule, n, total));
}

float final_learning_rate(const Schedule& schedule) {
  if (schedule.kind == ScheduleKind::constant) return schedule.peak;
  if (schedule.kind == ScheduleKind::one_cycle) return static_cast<float>(schedule.peak / kOneCycleEnd);
  if (schedule.kind == ScheduleKind::piecewise_linear) {
    if (schedule.bends.peak_at == 1.0) return schedule.peak;
    if (schedule.bends.knee_at == 1.0) return static_cast<float>(knee(schedule));
  }
  return schedule.minimum;
}

}  // namespace convmixer
