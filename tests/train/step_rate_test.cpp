#include "train/step_rate.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace convmixer {
namespace {

/// Steps of so many seconds, one after the other, then again the last; a clock that only they move.
struct FakeSteps {
  std::vector<double> seconds;
  double waited = 0.0;  // of every step
  double now = 100.0;
  std::size_t done = 0;

  StepRate measure(const StepRateLimits& limits) {
    return measure_step_rate(
        limits, [this] { return now; },
        [this] {
          now += seconds[std::min(done++, seconds.size() - 1)];
          return StepDone{10, waited};
        });
  }
};

TEST(StepRate, LeavesTheStepsThatWarmUpOut) {
  FakeSteps steps{.seconds = {0.5, 0.4, 0.3, 0.125}};
  const StepRate rate = steps.measure({.seconds = 10.0, .warmup = 3, .least = 3});
  EXPECT_DOUBLE_EQ(rate.images_per_second, 80.0);
  EXPECT_NEAR(rate.spread, 0.0, 1e-9);
  EXPECT_EQ(rate.steps + 3, steps.done);
  EXPECT_NEAR(steps.now, 110.0, 0.2);
}

TEST(StepRate, IsTheMedianOfTheSteps) {
  FakeSteps steps{.seconds = {1.0, 1.0, 1.0, 2.0, 90.0}};
  const StepRate rate = steps.measure({.seconds = 60.0, .warmup = 2, .least = 1});
  EXPECT_EQ(rate.steps, 3U);
  EXPECT_DOUBLE_EQ(rate.images_per_second, 5.0);
  EXPECT_DOUBLE_EQ(rate.spread, 0.5);
}

TEST(StepRate, AddsWhatStepsWaitedOnAverage) {
  FakeSteps steps{.seconds = {1.0}, .waited = 0.25};
  const StepRate rate = steps.measure({.seconds = 10.0, .warmup = 0, .least = 1});
  EXPECT_DOUBLE_EQ(rate.images_per_second, 10.0);
  EXPECT_DOUBLE_EQ(rate.wait_share, 0.25);
}

TEST(StepRate, WarmsUpForAThirdOfTheTimeAtMost) {
  FakeSteps steps{.seconds = {2.0}};
  EXPECT_EQ(steps.measure({.seconds = 9.0, .warmup = 100, .least = 1}).steps, 3U);
  EXPECT_EQ(steps.done, 5U);
}

TEST(StepRate, TakesTwiceTheTimeAtMostForTheLeastNumberOfSteps) {
  FakeSteps steps{.seconds = {4.0}};
  EXPECT_EQ(steps.measure({.seconds = 6.0, .warmup = 3, .least = 5}).steps, 2U);
  EXPECT_DOUBLE_EQ(steps.now, 112.0);
}

TEST(StepRate, OfAStepLongerThanAllTheTimeIsThatOfOne) {
  FakeSteps steps{.seconds = {20.0}};
  const StepRate rate = steps.measure({.seconds = 6.0});
  EXPECT_EQ(steps.done, 1U);
  EXPECT_DOUBLE_EQ(rate.images_per_second, 0.5);
}

}  // namespace
}  // namespace convmixer
