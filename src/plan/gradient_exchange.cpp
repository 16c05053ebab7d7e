#include "plan/gradient_exchange.hpp"

#include <algorithm>
#include <utility>

namespace convmixer {

namespace {

// The first passes of a plan take longer than the others: they aren't counted.
constexpr int kWarmUpPasses = 2;
constexpr std::size_t kLargestBucket = std::size_t{64} * 1024;  // floats

/// Whether no parameter of a graph lies between the two: each begins on a cache line of its own, and fills what it
/// leaves of its last one with zeros.
bool lie_side_by_side(std::span<const float> lower, std::span<const float> upper) {
  const float* const end = lower.data() + lower.size();
  return upper.data() >= end && upper.data() < end + 16;
}

/// From the one's first value to the other's last, if they are small.
bool join(std::span<float>& bucket, std::span<float> gradient) {
  const bool above = lie_side_by_side(bucket, gradient);
  if (!above && !lie_side_by_side(gradient, bucket)) return false;
  float* const begin = above ? bucket.data() : gradient.data();
  const float* const end = above ? gradient.data() + gradient.size() : bucket.data() + bucket.size();
  const auto size = static_cast<std::size_t>(end - begin);
  if (size > kLargestBucket) return false;
  bucket = {begin, size};
  return true;
}

}  // namespace

void GradientExchange::add(std::size_t step, std::span<float> gradient) {
  if (!buckets_.empty() && buckets_.back().doubles.empty() && join(buckets_.back().floats, gradient)) {
    buckets_.back().step = step;
  } else {
    buckets_.push_back({step, gradient, {}, {}});
  }
}

void GradientExchange::add(std::size_t step, std::span<double> sums, std::function<void()> finish) {
  buckets_.push_back({step, {}, sums, std::move(finish)});
}

bool GradientExchange::during_backward() const noexcept {
  if (when_ != ExchangeTime::measured) return when_ == ExchangeTime::during;
  return pass_ % 2 == 0;
}

void GradientExchange::begin() {
  ready_.clear();
  begin_ = Clock::now();
}

void GradientExchange::step_ended(std::size_t step) {
  for (Bucket& bucket : buckets_) {
    if (bucket.step != step) continue;
    ready_.push_back(&bucket);
    if (!during_backward()) continue;
    bucket.doubles.empty() ? ranks_.start_sum(bucket.floats) : ranks_.start_sum(bucket.doubles);
  }
}

void GradientExchange::finish() {
  if (during_backward()) {
    ranks_.finish_sums();
  } else {
    for (const Bucket* const bucket : ready_)
      bucket->doubles.empty() ? ranks_.sum(bucket->floats) : ranks_.sum(bucket->doubles);
  }
  for (const Bucket* const bucket : ready_) {
    if (bucket->finish) bucket->finish();
  }
  if (when_ == ExchangeTime::measured) choose();
}

/// All ranks alike.
void GradientExchange::choose() {
  if (pass_ >= kWarmUpPasses) {
    double& fastest = fastest_[during_backward() ? 0 : 1];
    const double seconds = std::chrono::duration<double>(Clock::now() - begin_).count();
    fastest = fastest == 0.0 ? seconds : std::min(fastest, seconds);
  }
  if (++pass_ < kExchangeTrialSteps) return;
  ranks_.sum(std::span(fastest_));
  when_ = fastest_[0] <= fastest_[1] ? ExchangeTime::during : ExchangeTime::after;
}

}  // namespace convmixer
