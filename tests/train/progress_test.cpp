#include "convmixer/train/progress.hpp"

#include "support/environment_variable.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <regex>

namespace convmixer {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing_support::EnvironmentVariable;

ProgressView example() {
  return {.evaluating = false,
          .epoch = 2,
          .epochs = 4,
          .done = 130,
          .total = 391,
          .images_per_second = 112.4,
          .wait_share = 0.001,
          .loss = 1.23456,
          .accuracy = 0.5525,
          .epoch_seconds_left = 130.0,
          .run_seconds_left = 1812.0};
}

EpochRecord example_epoch() {
  return {.epoch = 3,
          .step = 1173,
          .loss = 0.7123,
          .accuracy = 0.7514,
          .test = EvaluationRecord{.loss = 0.6012, .accuracy = 0.801, .accuracy_top5 = 0.9902},
          .learning_rate = 0.005,
          .images_per_second = 112.0,
          .wait_seconds = 0.4,
          .train_seconds = 400.0,
          .test_seconds = 32.0};
}

/// Ten steps, each of 0.9 times the loss of the one before, and three evaluations.
RunCurves example_curves() {
  RunCurves curves("test acc");
  double loss = 2.0;
  for (int step = 1; step <= 10; ++step, loss *= 0.9) curves.add_loss(step, loss);
  for (const double accuracy : {0.4, 0.8, 0.7}) curves.add_accuracy(accuracy);
  return curves;
}

std::string without_colours(const std::string& line) {
  return std::regex_replace(line, std::regex("\x1b\\[[0-9]*m"), "");
}

TEST(FormatLiveLine, ShowsEverythingWhereThereIsRoom) {
  EXPECT_EQ(
      format_live_line(example(), 200, false),
      "epoch 2/4  step 130/391  112 img/s  wait 0.1%  loss 1.2346  acc 55.25%  epoch left 2m10s  run left 30m12s");
}

TEST(FormatLiveLine, NeverExceedsTheWidth) {
  for (int columns = 1; columns <= 120; ++columns) {
    EXPECT_LE(format_live_line(example(), columns, false).size(), static_cast<std::size_t>(columns));
  }
}

TEST(FormatLiveLine, LeavesOutWhatMattersLeastFirst) {
  EXPECT_EQ(format_live_line(example(), 80, false),
            "epoch 2/4  step 130/391  112 img/s  loss 1.2346  acc 55.25%  run left 30m12s");
  EXPECT_EQ(format_live_line(example(), 24, false), "epoch 2/4  step 130/391");
  EXPECT_EQ(format_live_line(example(), 5, false), "epoch");
}

TEST(FormatLiveLine, ColoursTakeNoWidth) {
  const std::string coloured = format_live_line(example(), 80, true);
  EXPECT_THAT(coloured, HasSubstr("\x1b["));
  EXPECT_EQ(without_colours(coloured), format_live_line(example(), 80, false));
}

TEST(FormatLiveLine, ShowsTheImagesOfAnEvaluation) {
  ProgressView view = example();
  view.evaluating = true;
  view.done = 4000;
  view.total = 10000;
  const std::string line = format_live_line(view, 200, false);
  EXPECT_THAT(line, HasSubstr("testing 4000/10000"));
  EXPECT_THAT(line, Not(HasSubstr("wait")));
}

TEST(FormatCurves, BeginAndEndWithTheirValues) {
  EXPECT_EQ(format_curves(example_curves(), {.live = true, .columns = 80}),
            "loss 2.0000 @@#*+=-:.. 0.7748  test acc 40.00% .@* 70.00%");
  EXPECT_EQ(format_curves(example_curves(), {.live = true, .blocks = true, .columns = 80}),
            "loss 2.0000 ██▇▆▅▄▃▂▁▁ 0.7748  test acc 40.00% ▁█▆ 70.00%");
  const std::string coloured = format_curves(example_curves(), {.live = true, .colour = true, .columns = 80});
  EXPECT_THAT(coloured, HasSubstr("\x1b["));
  EXPECT_EQ(without_colours(coloured), format_curves(example_curves(), {.live = true, .columns = 80}));
}

TEST(FormatCurves, NeverExceedTheWidth) {
  RunCurves curves = example_curves();
  for (int i = 0; i < 300; ++i) {
    curves.add_loss(10 + i, 0.5);
    curves.add_accuracy(0.9);
  }
  std::size_t widest = 0;
  for (int columns = 0; columns <= 200; ++columns) {
    const std::size_t width = format_curves(curves, {.live = true, .columns = columns}).size();
    EXPECT_LT(width, static_cast<std::size_t>(std::max(columns, 1)));
    widest = std::max(widest, width);
  }
  EXPECT_EQ(widest, 5 + 6 + 1 + 40 + 1 + 6 + 2 + 9 + 6 + 1 + 40 + 1 + 6);
  EXPECT_THAT(format_curves(curves, {.live = true, .columns = 50}), Not(HasSubstr("acc"))) << "the loss goes first";
  EXPECT_EQ(format_curves(curves, {.live = true, .columns = 20}), "");
}

TEST(FormatCurves, AreLeftOutWhereThereIsNoRowForThemOrNothingToShow) {
  EXPECT_EQ(format_curves(example_curves(), {.live = true, .rows = 3}), "");
  RunCurves curves("test acc");
  EXPECT_EQ(format_curves(curves, {.live = true}), "");
  curves.add_loss(1, 2.0);
  EXPECT_EQ(format_curves(curves, {.live = true}), "");
  curves.add_loss(2, 2.0);
  EXPECT_EQ(format_curves(curves, {.live = true}), "loss 2.0000 == 2.0000");
  curves.add_accuracy(0.25);
  EXPECT_EQ(format_curves(curves, {.live = true}), "loss 2.0000 == 2.0000  test acc 25.00%");
}

TEST(FormatEpochLine, ShowsTheWholeEpoch) {
  const EnvironmentVariable zone("TZ", "UTC");
  ::tzset();
  constexpr std::time_t kNow = 1700000000;  // 2023-11-14 22:13:20
  EXPECT_EQ(format_epoch_line(example_epoch(), 4, true, 440.0, kNow, false),
            "epoch 3/4  train loss 0.7123 acc 75.14%  test loss 0.6012 acc 80.10% (best) top-5 99.02%  lr 0.005  112.0 "
            "img/s  wait 0.1%  7m12s  left 7m20s (done 22:20)");
  EXPECT_THAT(format_epoch_line(example_epoch(), 4, false, 7200.0, kNow, false), HasSubstr("(done Wed 00:13)"));
  EXPECT_THAT(format_epoch_line(example_epoch(), 4, false, 30.0 * 86400.0, kNow, false),
              HasSubstr("left 30d00h (done 2023-12-14)"));
}

TEST(FormatEpochLine, ShowsTheShareOfExchangesBetweenRanks) {
  EpochRecord record = example_epoch();
  record.communication_seconds = 50.0;
  EXPECT_THAT(format_epoch_line(record, 4, false, -1.0, 0, false), Not(HasSubstr("exchange")));
  record.communication_bytes = 1;
  EXPECT_THAT(format_epoch_line(record, 4, false, -1.0, 0, false), HasSubstr("wait 0.1%  exchange 12.5%  7m12s"));
  record.train_seconds = 0.0;
  EXPECT_THAT(format_epoch_line(record, 4, false, -1.0, 0, false), HasSubstr("exchange 0.0%"));
}

TEST(FormatEpochLine, CallsTheAverageBestWhereThereIsOne) {
  EpochRecord record = example_epoch();
  record.averaged = EvaluationRecord{.loss = 0.5, .accuracy = 0.8234};
  EXPECT_THAT(format_epoch_line(record, 4, true, -1.0, 0, false),
              HasSubstr("test loss 0.6012 acc 80.10% top-5 99.02%  averaged loss 0.5000 acc 82.34% (best)  lr"));
}

TEST(FormatEpochLine, SaysNothingOfAnEvaluationThatWasNot) {
  EpochRecord record = example_epoch();
  record.test.reset();
  EXPECT_THAT(format_epoch_line(record, 4, false, -1.0, 0, false), HasSubstr("acc 75.14%  lr 0.005"));
}

TEST(FormatEpochLine, SaysNothingOfTheTimeLeftAtTheEnd) {
  EXPECT_THAT(format_epoch_line(example_epoch(), 3, false, -1.0, 0, false), Not(HasSubstr("left")));
  EXPECT_THAT(format_epoch_line(example_epoch(), 3, false, -1.0, 0, false), Not(HasSubstr("best")));
}

/// What a Progress prints to a file, with a clock that the test moves.
class ProgressTest : public testing::Test {
 protected:
  ~ProgressTest() override {
    std::fclose(file_);
    std::free(text_);
  }
  std::string printed() {
    std::fflush(file_);
    return {text_, size_};
  }

  char* text_ = nullptr;
  std::size_t size_ = 0;
  std::FILE* file_ = ::open_memstream(&text_, &size_);
  double now_ = 100.0;
  std::function<double()> clock_ = [this] { return now_; };
};

TEST_F(ProgressTest, PrintsAPlainLineEveryHalfMinuteWhereThereIsNoTerminal) {
  Progress progress(file_, {}, clock_);
  for (int second = 0; second < 100; ++second) {
    progress.update(example());
    now_ += 1.0;
  }
  EXPECT_EQ(printed(), format_plain_line(example()) + "\n" + format_plain_line(example()) + "\n" +
                           format_plain_line(example()) + "\n");
}

TEST_F(ProgressTest, WritesNeitherReturnsNorEscapesWhereThereIsNoTerminal) {
  {
    Progress progress(file_, {}, clock_);
    progress.update(example());
    now_ += 60.0;
    progress.update(example());
    progress.print_epoch(example_epoch(), 4, true, 10.0);
    progress.print("a line");
  }
  EXPECT_THAT(printed(), HasSubstr("a line\n"));
  EXPECT_EQ(printed().find_first_of("\r\x1b"), std::string::npos);
}

TEST_F(ProgressTest, DrawsTheLiveLineOverItself) {
  Progress progress(file_, {.live = true, .colour = false, .columns = 200}, clock_);
  progress.update(example());
  EXPECT_EQ(printed(), "\r\x1b[J\x1b[?7l" + format_live_line(example(), 199, false) + "\r\x1b[?7h");
}

TEST_F(ProgressTest, DrawsAtMostTenTimesASecond) {
  Progress progress(file_, {.live = true, .colour = false, .columns = 200}, clock_);
  for (int i = 0; i < 1000; ++i) {
    progress.update(example());
    now_ += 0.001;
  }
  const std::string text = printed();
  EXPECT_NEAR(static_cast<double>(std::count(text.begin(), text.end(), 'J')), 10.0, 1.0);
}

TEST_F(ProgressTest, ClearsTheLiveLineBeforeALineThatStays) {
  Progress progress(file_, {.live = true, .colour = false, .columns = 200}, clock_);
  progress.update(example());
  progress.print("stays");
  progress.print("stays too");
  EXPECT_TRUE(printed().ends_with("\x1b[?7h\r\x1b[Jstays\nstays too\n")) << printed();
}

TEST_F(ProgressTest, ClearsTheLiveLineAtTheEnd) {
  {
    Progress progress(file_, {.live = true, .colour = false, .columns = 200}, clock_);
    progress.update(example());
  }
  EXPECT_TRUE(printed().ends_with("\x1b[?7h\r\x1b[J"));
}

TEST_F(ProgressTest, DrawsTheCurvesBelowTheLine) {
  Progress progress(file_, {.live = true, .colour = false, .columns = 200}, clock_);
  const RunCurves curves = example_curves();
  ProgressView view = example();
  view.curves = &curves;
  progress.update(view);
  EXPECT_EQ(printed(), "\r\x1b[J\x1b[?7l" + format_live_line(view, 199, false) + "\r\v" +
                           format_curves(curves, {.live = true, .columns = 200}) + "\x1b[1A\r\x1b[?7h");
}

TEST_F(ProgressTest, PrintsPlainLinesOnATerminalIfAsked) {
  Progress progress(file_, {.live = true, .colour = true}, clock_, ProgressMode::plain);
  now_ += 30.0;
  progress.update(example());
  progress.print_epoch(example_epoch(), 4, true, -1.0);
  EXPECT_FALSE(progress.terminal().colour);
  EXPECT_EQ(printed(),
            format_plain_line(example()) + "\n" + format_epoch_line(example_epoch(), 4, true, -1.0, 0, false) + "\n");
}

TEST_F(ProgressTest, PrintsBeginningAndEndAloneIfAsked) {
  for (const bool live : {true, false}) {
    Progress progress(file_, {.live = live}, clock_, ProgressMode::none);
    now_ += 60.0;
    progress.update(example());
    progress.print_epoch(example_epoch(), 4, true, 10.0);
    progress.print("finished");
  }
  EXPECT_EQ(printed(), "finished\nfinished\n");
}

TEST_F(ProgressTest, PrintsNothingWithoutAFile) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  {
    Progress progress(nullptr, {.live = true, .colour = false, .columns = 200}, clock_);
    now_ += 60.0;
    progress.update(example());
    progress.print("a line");
    progress.print_epoch(example_epoch(), 4, true, 10.0);
  }
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace convmixer
