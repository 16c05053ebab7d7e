#include "step_profile.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

namespace convmixer::perf {
namespace {

using testing::DoubleEq;
using testing::ElementsAre;
using testing::Field;

const std::vector<PlannedStep> kSteps{{"a", "convolution", "forward", "jit:x", "nhwc"},
                                      {"b", "GELU", "forward", "jit:y", "nhwc"},
                                      {"c", "convolution", "forward", "ref:any", "nhwc"},
                                      {"c", "convolution", "backward data", "jit:x", "nhwc"},
                                      {"b", "GELU", "backward", "jit:y", "nhwc"}};

/// A profile of kSteps that is told of one step whose operations begin and end at these times.
StepTimes profiled(StepProfile& profile, double& now, const std::vector<std::pair<double, double>>& times) {
  for (std::size_t i = 0; i < times.size(); ++i) {
    now = times[i].first;
    profile.begin(i);
    now = times[i].second;
    profile.end(i);
  }
  return profile.take();
}

TEST(StepProfile, PutsOperationsOfOneKindAndDirectionTogether) {
  const StepProfile profile(kSteps, [] { return 0.0; });
  ASSERT_EQ(profile.kinds().size(), 4U);
  EXPECT_EQ(profile.kinds()[0].operation, "convolution");
  EXPECT_EQ(profile.kinds()[0].direction, "forward");
  EXPECT_EQ(profile.kinds()[0].calls, 2);
  EXPECT_THAT(profile.kinds()[0].implementations, ElementsAre("jit:x", "ref:any"));
  EXPECT_EQ(profile.kinds()[2].direction, "backward data");
}

TEST(StepProfile, TakesTheTimeBetweenForwardAndBackwardForTheLoss) {
  double now = 0.0;
  StepProfile profile(kSteps, [&now] { return now; });
  const std::vector<std::pair<double, double>> times{{1, 3}, {3, 4}, {5, 8}, {18, 22}, {22, 27}};
  const StepTimes step = profiled(profile, now, times);
  EXPECT_THAT(step.kinds, ElementsAre(5.0, 1.0, 4.0, 5.0));
  EXPECT_EQ(step.loss, 10.0);
}

TEST(StepProfile, CountsEveryStepAnew) {
  double now = 0.0;
  StepProfile profile(kSteps, [&now] { return now; });
  const std::vector<std::pair<double, double>> times{{1, 2}, {2, 3}, {3, 4}, {5, 6}, {6, 7}};
  const StepTimes first = profiled(profile, now, times);
  const StepTimes second = profiled(profile, now, times);
  EXPECT_EQ(first.kinds, second.kinds);
  EXPECT_EQ(first.loss, second.loss);
}

TEST(StepProfile, OfInferenceHasNoLoss) {
  double now = 0.0;
  StepProfile profile({kSteps.begin(), kSteps.begin() + 3}, [&now] { return now; });
  EXPECT_EQ(profiled(profile, now, {{1, 2}, {2, 3}, {3, 4}}).loss, 0.0);
}

const std::vector<OperationKind> kKinds{{"GELU", "forward", 2, {"jit"}}, {"convolution", "forward", 1, {"jit"}}};

TEST(Split, AddsUpToTheStep) {
  const std::vector<SplitRow> rows =
      split(kKinds, {{.total = 10.0, .kinds = {2.0, 5.0}, .loss = 1.0, .optimiser = 0.5}});
  EXPECT_THAT(rows, ElementsAre(Field(&SplitRow::operation, "convolution"), Field(&SplitRow::operation, "GELU"),
                                Field(&SplitRow::operation, "loss"), Field(&SplitRow::operation, "optimiser"),
                                Field(&SplitRow::operation, "rest")));
  EXPECT_DOUBLE_EQ(rows.back().seconds, 1.5);
  const double sum =
      std::accumulate(rows.begin(), rows.end(), 0.0, [](double s, const SplitRow& row) { return s + row.seconds; });
  EXPECT_DOUBLE_EQ(sum, 10.0);
}

TEST(Split, LeavesOutTheStepsThatSomethingHeldUp) {
  const StepTimes usual{.total = 8.0, .kinds = {3.0, 5.0}};
  const StepTimes slow{.total = 100.0, .kinds = {95.0, 5.0}};
  const std::vector<SplitRow> rows = split(kKinds, {usual, slow, usual});
  EXPECT_THAT(rows, ElementsAre(Field(&SplitRow::seconds, DoubleEq(5.0)), Field(&SplitRow::seconds, DoubleEq(3.0)),
                                Field(&SplitRow::seconds, DoubleEq(0.0))));
}

}  // namespace
}  // namespace convmixer::perf
