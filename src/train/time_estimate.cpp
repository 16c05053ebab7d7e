#include "convmixer/train/time_estimate.hpp"

#include <cmath>
#include <limits>

namespace convmixer {
namespace {

constexpr double kMemorySeconds = 30.0;
constexpr double kForwardSpeedup = 3.0;

double time_at(double rate, double images) {
  if (images <= 0.0) return 0.0;
  return rate > 0.0 ? images / rate : std::numeric_limits<double>::infinity();
}

}  // namespace

void TimeEstimate::Rate::add(double images, double seconds) noexcept {
  const double kept = std::exp(-seconds / kMemorySeconds);
  images_ = images_ * kept + images;
  seconds_ = seconds_ * kept + seconds;
}

double TimeEstimate::evaluation_rate() const noexcept {
  const double measured = evaluation_.rate();
  return measured > 0.0 ? measured : kForwardSpeedup * training_.rate();
}

double TimeEstimate::seconds(double training_images, double evaluation_images) const noexcept {
  return time_at(training_rate(), training_images) + time_at(evaluation_rate(), evaluation_images);
}

}  // namespace convmixer
