#include "convmixer/train/time_estimate.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace convmixer {
namespace {

TEST(TimeEstimate, KnowsNothingBeforeTheFirstStep) {
  const TimeEstimate estimate;
  EXPECT_EQ(estimate.training_rate(), 0.0);
  EXPECT_TRUE(std::isinf(estimate.seconds(1, 0)));
  EXPECT_TRUE(std::isinf(estimate.seconds(0, 1)));
  EXPECT_EQ(estimate.seconds(0, 0), 0.0);
}

TEST(TimeEstimate, CountsEvaluationFromTheFirstStepOn) {
  TimeEstimate estimate;
  estimate.trained(100, 1.0);
  EXPECT_NEAR(estimate.training_rate(), 100.0, 1e-9);
  // 50 s of training and, at three times that speed, 10 s of evaluation.
  EXPECT_NEAR(estimate.seconds(5000, 3000), 60.0, 1e-9);
}

TEST(TimeEstimate, UsesTheMeasuredSpeedOfEvaluation) {
  TimeEstimate estimate;
  estimate.trained(100, 1.0);
  estimate.evaluated(500, 1.0);
  EXPECT_NEAR(estimate.seconds(1000, 1000), 12.0, 1e-9);
}

TEST(TimeEstimate, FollowsAChangeOfSpeedWithinMinutes) {
  TimeEstimate estimate;
  for (int i = 0; i < 100; ++i) estimate.trained(100, 1.0);
  for (int i = 0; i < 120; ++i) estimate.trained(50, 1.0);
  EXPECT_NEAR(estimate.training_rate(), 50.0, 2.0);
}

TEST(TimeEstimate, AveragesOverUnevenSteps) {
  TimeEstimate estimate;
  for (int i = 0; i < 200; ++i) estimate.trained(100, i % 2 == 0 ? 0.5 : 1.5);
  EXPECT_NEAR(estimate.training_rate(), 100.0, 3.0);
}

}  // namespace
}  // namespace convmixer
