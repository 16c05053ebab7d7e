#include "run_clock.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace convmixer::tool {
namespace {

constexpr std::size_t kMostStepCorners = 200;  // beside those of epochs

double setting_number(const RunHistory& run, std::string_view key) {
  const std::string_view text = run.setting(key);
  double number = 0.0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return std::isfinite(number) ? number : 0.0;
}

/// By the images of its classes; 0 if the run doesn't say.
double planned_steps_per_epoch(const RunHistory& run) {
  double images = 0.0;
  for (const RecordedClass& one : run.classes())
    images += static_cast<double>(one.train_images) - static_cast<double>(one.holdout_images);
  const double batch = setting_number(run, "batch-size");
  if (!(images > 0.0) || !(batch > 0.0)) return 0.0;
  return run.setting("drop-last") == "true" ? std::floor(images / batch) : std::ceil(images / batch);
}

class ClockMaker {
 public:
  explicit ClockMaker(const RunHistory& run)
      : run_(run),
        steps_(run.steps()),
        epochs_(run.epochs()),
        batch_(setting_number(run, "batch-size")),
        every_(std::max<std::size_t>(1, steps_.rows() / kMostStepCorners)),
        steps_per_epoch_(planned_steps_per_epoch(run)) {
    add(0.0, 0.0, 0.0);
  }

  RunClock make() {
    for (std::size_t row = 0; row < epochs_.rows(); ++row) add_epoch(row);
    add_steps_up_to(std::numeric_limits<double>::infinity(), steps_per_epoch_);
    return std::move(clock_);
  }

 private:
  /// Never back: what records say that is none of a run's is passed over.
  void add(double step, double epoch, double seconds) {
    const auto after = [](const std::vector<double>& values, double value) {
      const double last = values.empty() ? 0.0 : values.back();
      return std::isfinite(value) ? std::max(last, value) : last;
    };
    clock_.seconds.push_back(after(clock_.seconds, seconds));
    clock_.epochs.push_back(after(clock_.epochs, epoch));
    clock_.steps.push_back(after(clock_.steps, step));
  }

  void add_epoch(std::size_t row) {
    const double step = epochs_.number("step", row);
    const double epoch = epochs_.number("epoch", row);
    const double end = epochs_.number("total_s", row);
    const double evaluation = epochs_.number(std::string(run_.epoch_images()) + "_s", row);
    if (!std::isfinite(step) || !std::isfinite(epoch)) return;
    if (step > step_) steps_per_epoch_ = (step - step_) / std::max(1.0, epoch - epoch_);
    add_steps_up_to(step, steps_per_epoch_);
    add(step, epoch, end - (std::isfinite(evaluation) ? evaluation : 0.0));
    add(step, epoch, end);
    step_ = step;
    epoch_ = epoch;
  }

  /// Of the records of steps that follow, those before `end`.
  void add_steps_up_to(double end, double steps_per_epoch) {
    double before = clock_.steps.back();
    double seconds = clock_.seconds.back();
    for (; next_ < steps_.rows() && !(steps_.number("step", next_) >= end); ++next_) {
      const double step = steps_.number("step", next_);
      if (!std::isfinite(step)) continue;
      const double total = steps_.number("total_s", next_);
      const double rate = steps_.number("images_per_s", next_);
      if (std::isfinite(total))
        seconds = total;
      else if (rate > 0.0 && step > before)
        seconds += (step - before) * batch_ / rate;
      before = std::max(before, step);
      const bool is_last = next_ + 1 == steps_.rows();
      if (!is_last && (next_ % every_ != 0 || (!std::isfinite(total) && std::isfinite(end)))) continue;
      const double share = steps_per_epoch > 0.0 ? std::min(1.0, (step - step_) / steps_per_epoch) : 0.0;
      add(step, epoch_ + share, seconds);
    }
    while (next_ < steps_.rows() && steps_.number("step", next_) <= end) ++next_;
  }

  const RunHistory& run_;
  const RecordTable& steps_;
  const RecordTable& epochs_;
  double batch_;
  std::size_t every_;
  double steps_per_epoch_;
  double step_ = 0.0;   // at the end of the epoch before
  double epoch_ = 0.0;  // that epoch
  std::size_t next_ = 0;
  RunClock clock_;
};

}  // namespace

RunClock run_clock(const RunHistory& run) { return ClockMaker(run).make(); }

}  // namespace convmixer::tool
