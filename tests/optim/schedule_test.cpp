#include "convmixer/optim/schedule.hpp"

#include "convmixer/core/error.hpp"
#include "support/error_of.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

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

TEST(Schedule, PiecewiseLinearWithItsBendsUntouchedIsLocuslabsToTheLastBit) {
  constexpr double kTotal = 2450.0;
  const Schedule schedule = make(ScheduleKind::piecewise_linear, 0.05F, 2450);
  const double peak = schedule.peak;
  const double low = peak / 20.0;
  for (int step = 0; step < 2450; ++step) {
    const double n = step + 1.0;
    const double first = 0.4 * kTotal;
    const double second = 0.8 * kTotal;
    double expected = low + (0.0 - low) * ((n - second) / (kTotal - second));
    if (n <= second) expected = peak + (low - peak) * ((n - first) / (second - first));
    if (n <= first) expected = peak * (n / first);
    ASSERT_EQ(learning_rate(schedule, step), static_cast<float>(expected)) << step;
  }
}

TEST(Schedule, PiecewiseLinearBendsWhereItIsTold) {
  Schedule schedule = make(ScheduleKind::piecewise_linear, 0.8F, 20, 0, 0.05F);
  schedule.bends = {.peak_at = 0.2, .knee_at = 0.6, .knee_share = 0.25};
  EXPECT_FLOAT_EQ(learning_rate(schedule, 1), 0.4F);
  EXPECT_FLOAT_EQ(learning_rate(schedule, 3), 0.8F);
  EXPECT_FLOAT_EQ(learning_rate(schedule, 7), 0.5F);
  EXPECT_FLOAT_EQ(learning_rate(schedule, 11), 0.2F);
  EXPECT_FLOAT_EQ(learning_rate(schedule, 15), 0.125F);
  EXPECT_FLOAT_EQ(learning_rate(schedule, 19), 0.05F);
  EXPECT_FLOAT_EQ(learning_rate(schedule, 100), 0.05F);
}

TEST(Schedule, PiecewiseLinearMayHaveItsBendsAtTheEnds) {
  Schedule schedule = make(ScheduleKind::piecewise_linear, 1.0F, 4);
  schedule.bends = {.peak_at = 0.0, .knee_at = 1.0, .knee_share = 0.0};
  EXPECT_FLOAT_EQ(learning_rate(schedule, 0), 0.75F);
  EXPECT_EQ(learning_rate(schedule, 3), 0.0F);
  schedule.bends = {.peak_at = 1.0, .knee_at = 1.0, .knee_share = 1.0};
  EXPECT_FLOAT_EQ(learning_rate(schedule, 0), 0.25F);
  EXPECT_FLOAT_EQ(learning_rate(schedule, 3), 1.0F);
}

TEST(Schedule, ConstantMayWarmUp) {
  const Schedule schedule = make(ScheduleKind::constant, 0.8F, 10, 4);
  EXPECT_FLOAT_EQ(learning_rate(schedule, 0), 0.2F);
  EXPECT_FLOAT_EQ(learning_rate(schedule, 2), 0.6F);
  for (const std::int64_t step : {3, 4, 9, 1000}) EXPECT_FLOAT_EQ(learning_rate(schedule, step), 0.8F);
}

TEST(Schedule, LinearWarmsUpAndFallsInAStraightLine) {
  const Schedule schedule = make(ScheduleKind::linear, 0.8F, 12, 4, 0.4F);
  EXPECT_FLOAT_EQ(learning_rate(schedule, 0), 0.2F);
  EXPECT_FLOAT_EQ(learning_rate(schedule, 3), 0.8F);
  EXPECT_FLOAT_EQ(learning_rate(schedule, 4), 0.75F);
  EXPECT_FLOAT_EQ(learning_rate(schedule, 7), 0.6F);
  EXPECT_FLOAT_EQ(learning_rate(schedule, 11), 0.4F);
  EXPECT_FLOAT_EQ(learning_rate(schedule, 1000), 0.4F);
  EXPECT_FLOAT_EQ(learning_rate(make(ScheduleKind::linear, 1.0F, 4), 0), 0.75F);
  EXPECT_EQ(learning_rate(make(ScheduleKind::linear, 1.0F, 4), 3), 0.0F);
  EXPECT_EQ(learning_rate(make(ScheduleKind::linear, 1.0F, 4, 4), 3), 1.0F);
}

TEST(Schedule, OneCycleAgreesWithPyTorch) {
  struct Case {
    std::int64_t warmup;
    std::vector<float> rates;
  };
  // OneCycleLR(max_lr=0.01, total_steps=len(rates), pct_start=warmup / len(rates)) of PyTorch 2.6
  const std::vector<Case> cases{
      {3,
       {0.0004F, 0.0052F, 0.01F, 0.00950484632F, 0.00811745654F, 0.00611262022F, 0.00388741978F, 0.00188258346F,
        0.00049519368F, 4e-08F}},
      {2, {0.0004F, 0.01F, 0.00904508879F, 0.00654509879F, 0.00345494121F, 0.000954951208F, 4e-08F}},
      {5, {0.0004F, 0.00180588745F, 0.0052F, 0.00859411255F, 0.01F}},
      {0, {0.00853553976F, 0.00500002F, 0.00146450024F, 4e-08F}}};
  for (const Case& c : cases) {
    const Schedule schedule = make(ScheduleKind::one_cycle, 0.01F, std::ssize(c.rates), c.warmup);
    for (std::size_t step = 0; step < c.rates.size(); ++step)
      EXPECT_FLOAT_EQ(learning_rate(schedule, static_cast<std::int64_t>(step)), c.rates[step])
          << c.warmup << ' ' << step;
    EXPECT_EQ(learning_rate(schedule, 100), learning_rate(schedule, std::ssize(c.rates) - 1));
  }
}

TEST(Schedule, FinalRateIsThatOfTheLastStep) {
  for (const ScheduleKind kind : {ScheduleKind::constant, ScheduleKind::piecewise_linear, ScheduleKind::cosine,
                                  ScheduleKind::linear, ScheduleKind::one_cycle}) {
    const Schedule schedule = make(kind, 0.01F, 30, 10, 0.0004F);
    EXPECT_FLOAT_EQ(final_learning_rate(schedule), learning_rate(schedule, 29));
  }
}

TEST(Schedule, FinalRateIsThatOfTheLastStepWithBendsAtTheEnds) {
  Schedule schedule = make(ScheduleKind::piecewise_linear, 0.8F, 30);
  for (const PiecewiseLinear& bends : {PiecewiseLinear{0.4, 1.0, 0.25}, PiecewiseLinear{1.0, 1.0, 0.25},
                                       PiecewiseLinear{0.0, 0.5, 0.25}, PiecewiseLinear{0.0, 1.0, 0.5}}) {
    schedule.bends = bends;
    EXPECT_EQ(final_learning_rate(schedule), learning_rate(schedule, 29)) << bends.peak_at << ' ' << bends.knee_at;
  }
}

TEST(Schedule, OneStepInAllHasTheRateOfTheEnd) {
  EXPECT_EQ(learning_rate(make(ScheduleKind::piecewise_linear, 1.0F, 1), 0), 0.0F);
  EXPECT_FLOAT_EQ(learning_rate(make(ScheduleKind::cosine, 1.0F, 1, 0, 0.125F), 0), 0.125F);
  EXPECT_FLOAT_EQ(learning_rate(make(ScheduleKind::cosine, 1.0F, 1, 1, 0.125F), 0), 1.0F);
  EXPECT_FLOAT_EQ(learning_rate(make(ScheduleKind::constant, 1.0F, 1), 0), 1.0F);
  EXPECT_EQ(learning_rate(make(ScheduleKind::linear, 1.0F, 1), 0), 0.0F);
  EXPECT_FLOAT_EQ(learning_rate(make(ScheduleKind::one_cycle, 1.0F, 1), 0), 4e-6F);
  EXPECT_FLOAT_EQ(learning_rate(make(ScheduleKind::one_cycle, 1.0F, 1, 1), 0), 1.0F);
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
  for (const ScheduleKind kind : {ScheduleKind::constant, ScheduleKind::linear, ScheduleKind::one_cycle})
    EXPECT_THAT(refusal(make(kind, 1.0F, 10, 11)), HasSubstr("11 warm-up steps"));
  for (const ScheduleKind kind : {ScheduleKind::piecewise_linear, ScheduleKind::linear})
    EXPECT_THAT(refusal(make(kind, 1.0F, 10, 0, 2.0F)), HasSubstr("minimum learning rate = 2"));
}

TEST(Schedule, RefusesBendsOutOfRange) {
  Schedule schedule = make(ScheduleKind::piecewise_linear, 1.0F, 10);
  const auto message = [&](const PiecewiseLinear& bends, float minimum = 0.0F) {
    schedule.bends = bends;
    schedule.minimum = minimum;
    return refusal(schedule);
  };
  EXPECT_EQ(message({.peak_at = -0.1}), "peak-at = -0.1: expected 0 to 1");
  EXPECT_EQ(message({.peak_at = 0.9}), "knee-at = 0.8: expected 0.9 to 1");
  EXPECT_EQ(message({.knee_at = 1.5}), "knee-at = 1.5: expected 0.4 to 1");
  EXPECT_EQ(message({.knee_share = std::numeric_limits<double>::quiet_NaN()}), "knee-share = nan: expected 0 to 1");
  EXPECT_EQ(message({}, 0.1F), "minimum learning rate = 0.1: expected 0 to the knee's, 0.05");
  EXPECT_EQ(message({}, 0.05F), "");
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
  EXPECT_EQ(refusal(make(ScheduleKind::piecewise_linear, 1.0F, 1, 5)), "");  // it has no warm-up
}

}  // namespace
}  // namespace convmixer
