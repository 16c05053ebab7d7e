#include "convmixer/train/run_curves.hpp"

#include "convmixer/core/error.hpp"

#include <algorithm>

namespace convmixer {

Curve::Stretch& Curve::stretch_of(std::int64_t position) noexcept {
  while (position / length_ >= static_cast<std::int64_t>(kStretches)) {
    for (std::size_t i = 0; i < kStretches / 2; ++i) {
      const Stretch& one = stretches_[2 * i];
      const Stretch& next = stretches_[2 * i + 1];
      stretches_[i] = {one.sum + next.sum, one.count + next.count};
    }
    std::fill(stretches_.begin() + kStretches / 2, stretches_.end(), Stretch{});
    length_ *= 2;
    used_ = (used_ + 1) / 2;
  }
  return stretches_[static_cast<std::size_t>(position / length_)];
}

void Curve::add(std::int64_t position, double value) {
  if (position < 0) fail_usage("curve: a value at {}, expected a position from 0 on", position);
  Stretch& stretch = stretch_of(position);
  stretch.sum += value;
  ++stretch.count;
  used_ = std::max(used_, static_cast<std::size_t>(position / length_) + 1);
}

void Curve::fill(std::int64_t first, std::int64_t end, double value) {
  if (first < 0) fail_usage("curve: values from {} on, expected a position from 0 on", first);
  if (end <= first) return;
  (void)stretch_of(end - 1);
  for (std::int64_t i = first / length_; i <= (end - 1) / length_; ++i) {
    Stretch& stretch = stretches_[static_cast<std::size_t>(i)];
    if (stretch.count == 0) stretch = {value, 1};
  }
  used_ = std::max(used_, static_cast<std::size_t>((end - 1) / length_) + 1);
}

std::vector<double> Curve::points(std::size_t most) const {
  const std::size_t count = std::min(most, used_);
  std::vector<double> points;
  points.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    Stretch all;
    for (std::size_t j = i * used_ / count; j < (i + 1) * used_ / count; ++j) {
      all.sum += stretches_[j].sum;
      all.count += stretches_[j].count;
    }
    if (all.count > 0) {
      points.push_back(all.sum / static_cast<double>(all.count));
    } else if (!points.empty()) {
      points.push_back(points.back());
    }
  }
  return points;
}

void RunCurves::add_accuracy(double accuracy) {
  accuracy_.add(evaluations_, accuracy);
  if (evaluations_ == 0) first_accuracy_ = accuracy;
  last_accuracy_ = accuracy;
  ++evaluations_;
}

}  // namespace convmixer
