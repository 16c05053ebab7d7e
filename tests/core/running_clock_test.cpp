#include "convmixer/core/running_clock.hpp"

#include <gtest/gtest.h>

namespace convmixer {
namespace {

/// A clock over times that a test moves.
class RunningClockTest : public testing::Test {
 protected:
  /// The process runs for some time, at so much CPU time a second.
  void run(int seconds, double rate) {
    constexpr int kLooks = 16;  // a second
    for (int look = 0; look < seconds * kLooks; ++look) {
      now_ += 1.0 / kLooks;
      cpu_ += rate / kLooks;
      (void)clock_.seconds();
    }
  }
  void stop(double seconds) { now_ += seconds; }

  double now_ = 1000.0;
  double cpu_ = 50.0;
  RunningClock clock_{RunningClock::Sources{[this] { return now_; }, [this] { return cpu_; }}};
  double start_ = clock_.seconds();
};

TEST_F(RunningClockTest, RunsWithTheProcess) {
  run(2, 2.0);
  run(3, 0.0);  // waiting for data
  EXPECT_NEAR(clock_.seconds() - start_, 5.0, 1e-9);
}

TEST_F(RunningClockTest, LeavesOutStops) {
  run(2, 2.0);
  stop(3600.0);
  run(1, 2.0);
  stop(1.0);
  EXPECT_NEAR(clock_.seconds() - start_, 3.0, 0.1);
}

TEST_F(RunningClockTest, LeavesOutAStopOfAProcessThatWaits) {
  run(2, 0.0);
  stop(100.0);
  EXPECT_NEAR(clock_.seconds() - start_, 2.0, 0.1);
}

TEST_F(RunningClockTest, NeverGoesBack) {
  run(1, 2.0);
  now_ += 0.04;  // too soon after the last look for another: the next one finds that this was part of the stop
  const double before = clock_.seconds();
  stop(10.0);
  const double after = clock_.seconds();
  EXPECT_GE(after, before);
  EXPECT_LT(after, before + 0.1);
}

TEST_F(RunningClockTest, CountsTimeInWhichOthersHaveTheProcessors) {
  run(1, 2.0);
  now_ += 1.0;  // nobody looked for a second, but the process was at work
  cpu_ += 1.2;
  EXPECT_NEAR(clock_.seconds() - start_, 2.0, 1e-9);
}

TEST(RunningClock, EndsAtOnce) {
  RunningClock clock;
  const double before = clock.seconds();
  EXPECT_GE(clock.seconds(), before);
}

}  // namespace
}  // namespace convmixer
