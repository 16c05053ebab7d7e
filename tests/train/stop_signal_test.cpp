#include "convmixer/train/stop_signal.hpp"

#include <gtest/gtest.h>

#include <csignal>

namespace convmixer {
namespace {

TEST(StopSignal, NotesTheFirstSignal) {
  const StopSignal stop;
  EXPECT_EQ(StopSignal::received(), 0);
  std::raise(SIGTERM);
  EXPECT_EQ(StopSignal::received(), SIGTERM);
}

TEST(StopSignal, BeginsWithoutTheSignalsOfTheOneBefore) {
  {
    const StopSignal stop;
    std::raise(SIGINT);
  }
  const StopSignal stop;
  EXPECT_EQ(StopSignal::received(), 0);
}

TEST(StopSignal, GivesTheHandlersBack) {
  { const StopSignal stop; }
  struct sigaction action {};
  ::sigaction(SIGINT, nullptr, &action);
  EXPECT_EQ(action.sa_handler, SIG_DFL);
}

TEST(StopSignal, LeavesHangUpIgnoredUnderNohup) {
  const auto before = std::signal(SIGHUP, SIG_IGN);
  {
    const StopSignal stop;
    std::raise(SIGHUP);
    EXPECT_EQ(StopSignal::received(), 0);
  }
  std::signal(SIGHUP, before);
}

TEST(StopSignal, HonoursAnInterruptThatAScriptsBackgroundJobIgnores) {
  const auto before = std::signal(SIGINT, SIG_IGN);
  {
    const StopSignal stop;
    std::raise(SIGINT);
    EXPECT_EQ(StopSignal::received(), SIGINT);
  }
  std::signal(SIGINT, before);
}

TEST(StopSignalDeathTest, EndsTheProcessAtTheSecondSignalOfAnyKind) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        const StopSignal stop;
        std::raise(SIGINT);
        std::raise(SIGTERM);
      },
      testing::KilledBySignal(SIGTERM), "once more to stop at once");
}

}  // namespace
}  // namespace convmixer
