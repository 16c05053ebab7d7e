#include "convmixer/train/progress.hpp"

#include "support/environment_variable.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fcntl.h>
#include <regex>
#include <sys/ioctl.h>
#include <unistd.h>

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
  EXPECT_EQ(printed(), "\r\x1b[K" + format_live_line(example(), 199, false));
}

TEST_F(ProgressTest, DrawsAtMostTenTimesASecond) {
  Progress progress(file_, {.live = true, .colour = false, .columns = 200}, clock_);
  for (int i = 0; i < 1000; ++i) {
    progress.update(example());
    now_ += 0.001;
  }
  const std::string text = printed();
  EXPECT_NEAR(static_cast<double>(std::count(text.begin(), text.end(), '\r')), 10.0, 1.0);
}

TEST_F(ProgressTest, ClearsTheLiveLineBeforeALineThatStays) {
  Progress progress(file_, {.live = true, .colour = false, .columns = 200}, clock_);
  progress.update(example());
  progress.print("stays");
  progress.print("stays too");
  EXPECT_TRUE(printed().ends_with("\r\x1b[Kstays\nstays too\n")) << printed();
}

TEST_F(ProgressTest, ClearsTheLiveLineAtTheEnd) {
  {
    Progress progress(file_, {.live = true, .colour = false, .columns = 200}, clock_);
    progress.update(example());
  }
  EXPECT_TRUE(printed().ends_with("\r\x1b[K"));
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

TEST(DetectTerminal, FindsNoneInAFile) {
  std::FILE* const file = std::tmpfile();
  const Terminal terminal = detect_terminal(file);
  EXPECT_FALSE(terminal.live);
  EXPECT_FALSE(terminal.colour);
  EXPECT_EQ(terminal.columns, 80);
  std::fclose(file);
}

/// The slave side of a pseudo-terminal.
class PseudoTerminal {
 public:
  PseudoTerminal() : master_(::posix_openpt(O_RDWR | O_NOCTTY)) {
    if (master_ >= 0 && ::grantpt(master_) == 0 && ::unlockpt(master_) == 0) {
      file_ = std::fopen(::ptsname(master_), "w");
    }
  }
  ~PseudoTerminal() {
    if (file_ != nullptr) std::fclose(file_);
    if (master_ >= 0) ::close(master_);
  }
  PseudoTerminal(const PseudoTerminal&) = delete;
  PseudoTerminal& operator=(const PseudoTerminal&) = delete;

  [[nodiscard]] std::FILE* file() const { return file_; }
  void set_columns(unsigned short columns) const {
    winsize size{};
    size.ws_col = columns;
    ::ioctl(master_, TIOCSWINSZ, &size);
  }

 private:
  int master_;
  std::FILE* file_ = nullptr;
};

TEST(DetectTerminal, HonoursNoColorAndDumbTerminals) {
  const PseudoTerminal terminal;
  if (terminal.file() == nullptr) GTEST_SKIP() << "this system has no pseudo-terminals (/dev/pts is not mounted)";
  terminal.set_columns(123);
  const EnvironmentVariable name("TERM", "xterm");
  const EnvironmentVariable no_color("NO_COLOR");
  EXPECT_TRUE(detect_terminal(terminal.file()).live);
  EXPECT_TRUE(detect_terminal(terminal.file()).colour);
  EXPECT_EQ(detect_terminal(terminal.file()).columns, 123);
  {
    const EnvironmentVariable set("NO_COLOR", "1");
    EXPECT_TRUE(detect_terminal(terminal.file()).live);
    EXPECT_FALSE(detect_terminal(terminal.file()).colour);
  }
  {
    const EnvironmentVariable empty("NO_COLOR", "");
    EXPECT_TRUE(detect_terminal(terminal.file()).colour);
  }
  const EnvironmentVariable dumb("TERM", "dumb");
  EXPECT_FALSE(detect_terminal(terminal.file()).live);
  EXPECT_FALSE(detect_terminal(terminal.file()).colour);
}

}  // namespace
}  // namespace convmixer
