#include "train/schedule_options.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/train/config.hpp"
#include "convmixer/train/option_parser.hpp"
#include "convmixer/train/run_length.hpp"
#include "support/error_of.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace convmixer {
namespace {

using testing::HasSubstr;
using testing_support::error_of;

void set(TrainConfig& config, const std::string& key, const std::string& value) {
  const std::vector<OptionGroup> options{schedule_options(config)};
  const std::vector<Assignment> assignments{{key, value, key}};
  assign(options, assignments);
}

class ScheduleOptions : public testing::Test {
 protected:
  TrainConfig config_;

  std::string refusal() {
    const Error error = error_of([&] { check_schedule_options(config_); });
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    return error.what();
  }
};

TEST_F(ScheduleOptions, RefusesWhatWouldHaveNoEffect) {
  config_.warmup_epochs = 1.0F;
  EXPECT_EQ(refusal(), "warmup-epochs has no effect with schedule = piecewise-linear: its rate rises up to peak-at");
  for (const ScheduleKind kind : {ScheduleKind::constant, ScheduleKind::one_cycle}) {
    config_ = {};
    config_.schedule = kind;
    config_.min_lr = 1e-4F;
    EXPECT_THAT(refusal(), testing::StartsWith("min-lr has no effect with schedule = "));
  }
  for (const char* key : {"peak-at", "knee-at", "knee-share"}) {
    config_ = {};
    config_.schedule = ScheduleKind::linear;
    set(config_, key, "0.5");
    EXPECT_EQ(refusal(), fmt::format("{} has no effect without schedule = piecewise-linear", key));
  }
}

TEST_F(ScheduleOptions, RefusesEpochsAfterTheScheduleAtALearningRateOfZero) {
  config_.cooldown_epochs = 5;
  const std::string message =
      "cooldown-epochs 5: the learning rate is 0 by then; expected schedule = constant, or cosine, linear or "
      "piecewise-linear with min-lr";
  for (const ScheduleKind kind : {ScheduleKind::piecewise_linear, ScheduleKind::cosine, ScheduleKind::linear}) {
    config_.schedule = kind;
    config_.min_lr = 0.0F;
    EXPECT_EQ(refusal(), message);
    config_.min_lr = 1e-5F;
    EXPECT_NO_THROW(check_schedule_options(config_));
  }
  config_.min_lr = 0.0F;
  config_.schedule = ScheduleKind::piecewise_linear;
  config_.bends.knee_at = 1.0;
  EXPECT_NO_THROW(check_schedule_options(config_));
  EXPECT_EQ(final_learning_rate(config_), learning_rate(make_schedule(config_, 3), 1000));
  config_.bends = {};
  config_.schedule = ScheduleKind::one_cycle;
  config_.warmup_epochs = 5.0F;
  EXPECT_THAT(refusal(), HasSubstr("cooldown-epochs 5: the learning rate is 4e-08 by then"));
  config_.schedule = ScheduleKind::constant;
  EXPECT_NO_THROW(check_schedule_options(config_));
  EXPECT_EQ(total_epochs(config_), 30);
}

TEST_F(ScheduleOptions, RefusesAWarmUpLongerThanTheRun) {
  config_.schedule = ScheduleKind::cosine;
  config_.epochs = 3;
  config_.warmup_epochs = 4.0F;
  EXPECT_EQ(refusal(), "warmup-epochs 4 is more than epochs 3");
  config_.warmup_epochs = 1.0F;
  config_.min_lr = 1.0F;
  EXPECT_EQ(refusal(), "min-lr 1 is more than lr 0.01");
}

TEST_F(ScheduleOptions, RefusesAOneCycleWithoutItsRise) {
  config_.schedule = ScheduleKind::one_cycle;
  EXPECT_EQ(refusal(), "schedule = one-cycle: expected warmup-epochs above 0; PyTorch's 0.3 of the epochs are 7.5");
  config_.warmup_epochs = 7.5F;
  EXPECT_NO_THROW(check_schedule_options(config_));
}

TEST_F(ScheduleOptions, RefusesBendsOfAScheduleThatContradictEachOther) {
  config_.bends = {.peak_at = 0.5, .knee_at = 0.25};
  EXPECT_EQ(refusal(), "peak-at 0.5 is after knee-at 0.25");
  config_.bends = {.knee_share = 0.25};
  config_.min_lr = 0.005F;
  EXPECT_EQ(refusal(), "min-lr 0.005 is more than the knee's learning rate 0.0025, knee-share times lr");
  config_.min_lr = 0.0025F;
  EXPECT_NO_THROW(check_schedule_options(config_));
}

TEST(MakeSchedule, TakesTheBends) {
  TrainConfig config;
  set(config, "peak-at", "0.2");
  set(config, "knee-at", "0.6");
  set(config, "knee-share", "0.25");
  const Schedule schedule = make_schedule(config, 100);
  EXPECT_EQ(schedule.bends.peak_at, 0.2);
  EXPECT_EQ(schedule.bends.knee_at, 0.6);
  EXPECT_EQ(schedule.bends.knee_share, 0.25);
}

TEST(MakeSchedule, CountsWarmUpInSteps) {
  TrainConfig config;
  config.schedule = ScheduleKind::cosine;
  config.epochs = 4;
  config.warmup_epochs = 0.5F;
  const Schedule schedule = make_schedule(config, 100);
  EXPECT_EQ(schedule.total_steps, 400);
  EXPECT_EQ(schedule.warmup_steps, 50);
}

}  // namespace
}  // namespace convmixer
