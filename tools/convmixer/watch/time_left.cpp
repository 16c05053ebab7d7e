#include "watch/time_left.hpp"

#include "run_page/run_clock.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

namespace convmixer::tool {

namespace {

/// By the training's own estimate in its last record.
std::optional<double> seconds_left_as_told(const RunHistory& run) {
  const auto last = [](const RecordTable& table, const char* field) {
    return table.rows() == 0 ? std::numeric_limits<double>::quiet_NaN() : table.number(field, table.rows() - 1);
  };
  const bool is_step = last(run.steps(), "step") > last(run.epochs(), "step") || run.epochs().rows() == 0;
  const double left = last(is_step ? run.steps() : run.epochs(), "left_s");
  return std::isfinite(left) ? std::optional(std::max(0.0, left)) : std::nullopt;
}

}  // namespace

std::optional<double> seconds_left(const RunHistory& run) {
  const auto planned = static_cast<double>(run.epochs_planned());
  if (run.state() != RunState::running || planned <= 0) return std::nullopt;
  if (const auto told = seconds_left_as_told(run)) return told;
  const RunClock clock = run_clock(run);
  if (clock.epochs.empty() || clock.epochs.back() <= 0) return std::nullopt;
  const RecordTable& epochs = run.epochs();
  double done = clock.epochs.back();  // with nothing better, the mean since the beginning
  double seconds = clock.seconds.back();
  if (const std::size_t rows = epochs.rows(); rows > 0) {
    constexpr std::size_t kLast = 3;
    const std::size_t last = rows - 1;
    const bool has_all = rows <= kLast;
    const std::size_t before = has_all ? 0 : last - kLast;
    done = epochs.number("epoch", last) - (has_all ? 0 : epochs.number("epoch", before));
    seconds = epochs.number("total_s", last) - (has_all ? 0 : epochs.number("total_s", before));
  }
  const double left = (planned - clock.epochs.back()) * seconds / done;
  return std::isfinite(left) ? std::optional(std::max(0.0, left)) : std::nullopt;
}

}  // namespace convmixer::tool
