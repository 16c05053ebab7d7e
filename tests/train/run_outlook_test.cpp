#include "train/run_outlook.hpp"

#include <gtest/gtest.h>

namespace convmixer {
namespace {

/// 3 epochs of 10 steps on 100 images and 40 test images; training takes 0.1 s an image, evaluation 0.02 s.
class RunOutlookTest : public testing::Test {
 protected:
  RunOutlookTest() { measure(outlook_); }

  static void measure(RunOutlook& outlook) {
    outlook.trained(1, 10, 1.0);
    outlook.evaluated(20, 0.4);
  }

  static inline const RunSize kSize{.epochs = 3, .steps_per_epoch = 10, .images_per_epoch = 100, .test_images = 40};
  RunOutlook outlook_{kSize};
  /// In the second epoch, after 6 of its steps.
  TrainingPosition position_{
      .epoch = 1,
      .step_in_epoch = 6,
      .step = 16,
      .seconds = 20.0,
      .sums = {.images = 60, .loss_sum = 30.0, .correct = 15, .seconds = 8.0, .wait_seconds = 2.0}};
};

TEST_F(RunOutlookTest, HasNothingLeftOfAnEpochThatTookMoreImagesThanThereAreNow) {
  position_.sums.images = 140;
  EXPECT_NEAR(outlook_.training_view(position_).epoch_seconds_left, 40 * 0.02, 1e-9);
}

TEST_F(RunOutlookTest, ShowsATrainingsStepsMeansAndTimeLeft) {
  const ProgressView view = outlook_.training_view(position_);
  EXPECT_FALSE(view.evaluating);
  EXPECT_EQ(view.epoch, 2);
  EXPECT_EQ(view.epochs, 3);
  EXPECT_EQ(view.done, 6);
  EXPECT_EQ(view.total, 10);
  EXPECT_NEAR(view.images_per_second, 10.0, 1e-9);
  EXPECT_EQ(view.wait_share, 0.25);
  EXPECT_EQ(view.loss, 0.5);
  EXPECT_EQ(view.accuracy, 0.25);
  EXPECT_NEAR(view.epoch_seconds_left, 40 * 0.1 + 40 * 0.02, 1e-9);
  EXPECT_NEAR(view.run_seconds_left, (40 + 100) * 0.1 + 2 * 40 * 0.02, 1e-9);
}

TEST_F(RunOutlookTest, CountsTheEvaluationsThatAreAtTheInterval) {
  RunSize size = kSize;
  size.eval_interval = 0;
  RunOutlook rarely(size);
  measure(rarely);
  EXPECT_NEAR(rarely.training_view(position_).epoch_seconds_left, 40 * 0.1, 1e-9);
  EXPECT_NEAR(rarely.training_view(position_).run_seconds_left, (40 + 100) * 0.1 + 40 * 0.02, 1e-9);
  EXPECT_NEAR(rarely.seconds_left(position_), 2 * 100 * 0.1 + 40 * 0.02, 1e-9);
}

TEST_F(RunOutlookTest, ShowsAnEvaluationsImagesAndTimeLeft) {
  const ProgressView view = outlook_.evaluation_view(position_, 30);
  EXPECT_TRUE(view.evaluating);
  EXPECT_EQ(view.done, 30);
  EXPECT_EQ(view.total, 40);
  EXPECT_NEAR(view.images_per_second, 50.0, 1e-9);
  EXPECT_EQ(view.loss, 0.5);
  EXPECT_NEAR(view.epoch_seconds_left, 10 * 0.02, 1e-9);
  EXPECT_NEAR(view.run_seconds_left, 100 * 0.1 + (10 + 40) * 0.02, 1e-9);
}

TEST_F(RunOutlookTest, NamesTheEpochThatAnEvaluationIsOf) {
  position_.step_in_epoch = 10;  // all of its steps: it isn't counted yet
  EXPECT_EQ(outlook_.evaluation_view(position_, 30).epoch, 2);
  EXPECT_FALSE(outlook_.evaluation_view(position_, 30).between_epochs);
  // At a time limit after an epoch that wasn't evaluated: the next one has not begun.
  position_.step_in_epoch = 0;
  position_.sums = {};
  const ProgressView view = outlook_.evaluation_view(position_, 30);
  EXPECT_EQ(view.epoch, 1);
  EXPECT_TRUE(view.between_epochs) << "there are no means to show";
  EXPECT_NEAR(view.run_seconds_left, 2 * 100 * 0.1 + (10 + 2 * 40) * 0.02, 1e-9);
}

TEST_F(RunOutlookTest, TellsTheTimeLeftBetweenEpochsButForTheLast) {
  position_.epoch = 1;
  EXPECT_NEAR(outlook_.seconds_left(position_), 2 * (100 * 0.1 + 40 * 0.02), 1e-9);
  position_.epoch = 3;
  EXPECT_EQ(outlook_.seconds_left(position_), -1.0);
}

TEST_F(RunOutlookTest, LeavesNoMoreTimeThanTheLimitDoes) {
  RunSize size = kSize;
  size.max_seconds = 25.0;
  RunOutlook limited(size);
  measure(limited);
  EXPECT_EQ(limited.training_view(position_).run_seconds_left, 5.0);
  position_.seconds = 30.0;
  EXPECT_EQ(limited.seconds_left(position_), 0.0);
}

TEST_F(RunOutlookTest, KeepsTimeForAnEvaluationWithinTheLimit) {
  RunSize size = kSize;
  size.max_seconds = 25.0;
  RunOutlook limited(size);
  measure(limited);  // an evaluation takes 0.8 s
  EXPECT_FALSE(limited.is_at_limit_with_evaluation(24.1));
  EXPECT_TRUE(limited.is_at_limit_with_evaluation(24.3));
  EXPECT_FALSE(limited.is_at_limit(24.9));
  EXPECT_TRUE(limited.is_at_limit(25.0));
  EXPECT_FALSE(outlook_.is_at_limit(1e9)) << "without a limit";
}

/// An epoch each at a quarter of the cost of an image, at half, and whole.
TEST_F(RunOutlookTest, CountsReducedImagesByTheirCost) {
  RunSize size = kSize;
  size.costs = {{0, 16, 0.25}, {1, 24, 0.5}, {2, 32, 1.0}};
  RunOutlook outlook(size);
  outlook.trained(1, 20, 1.0);  // as 10 whole ones
  outlook.evaluated(20, 0.4);
  ProgressView view = outlook.training_view(position_);
  EXPECT_EQ(view.image_size, 24);
  EXPECT_NEAR(view.images_per_second, 20.0, 1e-9);
  EXPECT_NEAR(view.epoch_seconds_left, 40 * 0.05 + 40 * 0.02, 1e-9);
  EXPECT_NEAR(view.run_seconds_left, 40 * 0.05 + 100 * 0.1 + 2 * 40 * 0.02, 1e-9);
  view = outlook.evaluation_view(position_, 30);
  EXPECT_NEAR(view.run_seconds_left, 100 * 0.1 + (10 + 40) * 0.02, 1e-9);
  position_.epoch = 0;
  EXPECT_NEAR(outlook.seconds_left(position_), 100 * (0.025 + 0.05 + 0.1) + 3 * 40 * 0.02, 1e-9);
  position_.epoch = 2;
  EXPECT_NEAR(outlook.seconds_left(position_), 100 * 0.1 + 40 * 0.02, 1e-9);
}

TEST_F(RunOutlookTest, ExpectsTheSameTimeOfARunOnBothSidesOfABorder) {
  RunSize size = kSize;
  size.costs = {{0, 16, 0.25}, {1, 32, 1.0}};
  RunOutlook outlook(size);
  outlook.evaluated(20, 0.4);
  position_.epoch = 1;
  position_.sums = {};
  for (int step = 0; step < 100; ++step) outlook.trained(0, 10, 0.25);
  const double before = outlook.training_view(position_).run_seconds_left;
  for (int step = 0; step < 10; ++step) outlook.trained(1, 10, 1.0);
  EXPECT_NEAR(outlook.training_view(position_).run_seconds_left, before, 1e-9 * before);
}

}  // namespace
}  // namespace convmixer
