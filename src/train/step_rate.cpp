#include "train/step_rate.hpp"

#include "core/summary.hpp"

#include <algorithm>
#include <vector>

namespace convmixer {
StepRate measure_step_rate(const StepRateLimits& limits, const std::function<double()>& clock,
                           const std::function<StepDone()>& step) {
  std::vector<double> seconds_per_image;
  StepDone sum;
  const double begin = clock();
  double now = begin;
  bool warming_up = true;
  const auto go_on = [&] {
    const double elapsed = now - begin;
    if (seconds_per_image.empty() || elapsed < limits.seconds) return true;
    return seconds_per_image.size() < limits.least && elapsed < 2.0 * limits.seconds;
  };
  for (std::size_t done = 0; go_on(); ++done) {
    if (done >= limits.warmup || (done > 0 && now - begin > limits.seconds / 3.0)) warming_up = false;
    const double before = clock();
    const StepDone result = step();
    now = clock();
    if (warming_up && now - begin <= limits.seconds) continue;
    seconds_per_image.push_back((now - before - result.waited) / static_cast<double>(result.images));
    sum.images += result.images;
    sum.waited += result.waited;
  }
  const Summary summary = summarise(seconds_per_image);
  const double median = std::max(summary.median, kLeastSeconds);
  const double waited = sum.waited / static_cast<double>(sum.images);
  return {1.0 / (median + waited), summary.mad / median, waited / (median + waited), seconds_per_image.size()};
}

}  // namespace convmixer
