#include "convmixer/optim/schedule.hpp"

#include "convmixer/core/error.hpp"
#include "support/error_of.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

namespace convmixer {
namespace {

using testing_support::error_of;

Schedule make(ScheduleKind kind, float peak, std::int64_t total, std::int64_t warmup = 0, float minimum = 0.0F) {
  Schedule schedule;
  schedule.kind = kind;
  schedule.peak = peak;
  schedule.total_steps = total;
  schedule.warmup_steps = warmup;
  schedule.minimum = minimum;
  return schedule;
}

std::string refusal(const Schedule& schedule) {
  try {
    validate(schedule);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    return error.what();
  }
  return "";
}

TEST(Schedule, ConstantIsThePeakAlways) {
  const Schedule schedule = make(ScheduleKind::constant, 0.25F, 10);
  for (const std::int64_t step : {0, 1, 9, 10, 1000}) EXPECT_FLOAT_EQ(learning_rate(schedule, step), 0.25F);
}

TEST(Schedule, PiecewiseLinearPassesThroughItsKnots) {
  const Schedule schedule = make(ScheduleKind::piecewise_linear, 0.01F, 100);
  // Update n, counted from 0, has the rate at its end, (n + 1) / 100 of the way.
  EXPECT_FLOAT_EQ(learning_rate(schedule, 0), 0.01F / 40.0F);
  EXPECT_FLOAT_EQ(learning_rate(schedule, 19), 0.005F);
  EXPECT_FLOAT_EQ(learning_rate(schedule, 39), 0.01F);
  EXPECT_FLOAT_EQ(learning_rate(schedule, 59), (0.01F + 0.0005F) / 2.0F);
  EXPECT_FLOAT_EQ(learning_rate(schedule, 79), 0.0005F);
  EXPECT_FLOAT_EQ(learning_rate(schedule, 89), 0.00025F);
  EXPECT_EQ(learning_rate(schedule, 99), 0.0F);
}

TEST(Schedule, PiecewiseLinearAgreesWithNumpyInterpWhereKnotsFallBetweenSteps) {
  // numpy.interp((i + 1) / 7, [0, .4, .8, 1], [0, 1, .05, 0]) for i = 0..6
  const float expected[] = {0.35714287F, 0.71428573F, 0.93214285F, 0.59285712F, 0.25357142F, 0.035714287F, 0.0F};
  const Schedule schedule = make(ScheduleKind::piecewise_linear, 1.0F, 7);
  for (int step = 0; step < 7; ++step) EXPECT_NEAR(learning_rate(schedule, step), expected[step], 1e-7) << step;
}

TEST(Schedule, PiecewiseLinearStaysAtZeroBeyondItsEnd) {
  const Schedule schedule = make(ScheduleKind::piecewise_linear, 0.01F, 100);
  for (const std::int64_t step : {100, 101, 100000}) EXPECT_EQ(learning_rate(schedule, step), 0.0F);
}

TEST(Schedule, CosineWarmsUpLinearlyAndFallsToItsMinimum) {
  const Schedule schedule = make(ScheduleKind::cosine, 0.8F, 30, 10, 0.2F);
  EXPECT_FLOAT_EQ(learning_rate(schedule, 0), 0.08F);
  EXPECT_FLOAT_EQ(learning_rate(schedule, 4), 0.4F);
  EXPECT_FLOAT_EQ(learning_rate(schedule, 9), 0.8F);
  EXPECT_FLOAT_EQ(learning_rate(schedule, 14), 0.2F + 0.6F * 0.5F * (1.0F + std::sqrt(0.5F)));
  EXPECT_FLOAT_EQ(learning_rate(schedule, 19), 0.5F);
  EXPECT_FLOAT_EQ(learning_rate(schedule, 29), 0.2F);
  EXPECT_FLOAT_EQ(learning_rate(schedule, 30), 0.2F);
  EXPECT_FLOAT_EQ(learning_rate(schedule, 1000), 0.2F);
}

TEST(Schedule, CosineWithoutWarmUpFallsFromTheFirstStep) {
  const Schedule schedule = make(ScheduleKind::cosine, 1.0F, 4);
  EXPECT_FLOAT_EQ(learning_rate(schedule, 0), 0.5F * (1.0F + std::sqrt(0.5F)));
  EXPECT_FLOAT_EQ(learning_rate(schedule, 1), 0.5F);
  EXPECT_NEAR(learning_rate(schedule, 3), 0.0F, 1e-8F);  // cos(pi) in double
}

TEST(Schedule, CosineOfNothingButWarmUpEndsAtThePeak) {
  const Schedule schedule = make(ScheduleKind::cosine, 1.0F, 4, 4);
  EXPECT_FLOAT_EQ(learning_rate(schedule, 1), 0.5F);
  EXPECT_FLOAT_EQ(learning_rate(schedule, 3), 1.0F);
  EXPECT_FLOAT_EQ(learning_rate(schedule, 4), 1.0F);
}

TEST(Schedule, OneStepInAllHasTheRateOfTheEnd) {
  EXPECT_EQ(learning_rate(make(ScheduleKind::piecewise_linear, 1.0F, 1), 0), 0.0F);
  EXPECT_FLOAT_EQ(learning_rate(make(ScheduleKind::cosine, 1.0F, 1, 0, 0.125F), 0), 0.125F);
  EXPECT_FLOAT_EQ(learning_rate(make(ScheduleKind::cosine, 1.0F, 1, 1, 0.125F), 0), 1.0F);
  EXPECT_FLOAT_EQ(learning_rate(make(ScheduleKind::constant, 1.0F, 1), 0), 1.0F);
}

TEST(Schedule, RefusesSettingsOutOfRange) {
  using testing::HasSubstr;
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  EXPECT_THAT(refusal(make(ScheduleKind::constant, -1.0F, 1)), HasSubstr("learning rate = -1"));
  EXPECT_THAT(refusal(make(ScheduleKind::constant, kNan, 1)), HasSubstr("learning rate = nan"));
  EXPECT_THAT(refusal(make(ScheduleKind::constant, kInfinity, 1)), HasSubstr("learning rate = inf"));
  EXPECT_THAT(refusal(make(ScheduleKind::constant, 1.0F, 0)), HasSubstr("0 steps"));
  EXPECT_THAT(refusal(make(ScheduleKind::cosine, 1.0F, 10, 11)), HasSubstr("11 warm-up steps"));
  EXPECT_THAT(refusal(make(ScheduleKind::cosine, 1.0F, 10, -1)), HasSubstr("-1 warm-up steps"));
  EXPECT_THAT(refusal(make(ScheduleKind::cosine, 1.0F, 10, 0, 2.0F)), HasSubstr("minimum learning rate = 2"));
  EXPECT_THAT(refusal(make(ScheduleKind::cosine, 1.0F, 10, 0, -1.0F)), HasSubstr("minimum learning rate = -1"));
  EXPECT_THAT(refusal(make(ScheduleKind::cosine, 1.0F, 10, 0, kNan)), HasSubstr("minimum learning rate = nan"));
}

TEST(Schedule, GivesNoRateForWhatItRefuses) {
  const auto message = [](const Schedule& schedule, std::int64_t step) {
    return std::string(error_of([&] { (void)learning_rate(schedule, step); }).what());
  };
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(message(make(ScheduleKind::constant, kNan, 1), 0), "learning rate = nan: expected a number of at least 0");
  EXPECT_EQ(message(make(ScheduleKind::piecewise_linear, 1.0F, 0), 0), "schedule: 0 steps in all, expected at least 1");
  EXPECT_EQ(message(make(ScheduleKind::constant, 1.0F, 1), -1), "schedule: step -1, expected at least 0");
}

TEST(Schedule, AcceptsSettingsAtTheEndsOfTheirRanges) {
  EXPECT_EQ(refusal(make(ScheduleKind::constant, 0.0F, 1)), "");
  EXPECT_EQ(refusal(make(ScheduleKind::cosine, 1.0F, 10, 10, 1.0F)), "");
  EXPECT_EQ(refusal(make(ScheduleKind::piecewise_linear, 1.0F, 1, 5)), "");  // warm-up is the cosine's alone
}

}  // namespace
}  // namespace convmixer
