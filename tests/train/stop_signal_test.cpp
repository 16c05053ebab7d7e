#include "convmixer/train/stop_signal.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

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
  const auto before = std::signal(SIGINT, SIG_DFL);
  { const StopSignal stop; }
  EXPECT_EQ(std::signal(SIGINT, before), SIG_DFL);
}

TEST(StopSignal, KeepsTheNumberOfAnErrorThatIsLookedAtAfterTheSignal) {
  const StopSignal stop;
  tell_of_signals(true);
  const int errors = ::dup(STDERR_FILENO);
  ::close(STDERR_FILENO);  // what it says fails
  errno = EXDEV;
  std::raise(SIGTERM);
  const int found = errno;
  ::dup2(errors, STDERR_FILENO);
  ::close(errors);
  EXPECT_EQ(found, EXDEV);
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

TEST(EndBySignalDeathTest, EndsTheProcessByTheSignal) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  std::signal(SIGHUP, SIG_DFL);  // or the tests are run under nohup
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1}) {
    EXPECT_EXIT(
        {
          const EndBySignal end;
          { const StopSignal stop; }
          std::raise(signal);
        },
        testing::KilledBySignal(signal), "train_test: ended by SIG");
  }
}

// The system sends the first process of a container no signal that it has no handler for.
TEST(EndBySignal, EndsTheFirstProcessOfAContainer) {
  constexpr int kNotAllowed = 77;
  const pid_t child = ::fork();
  if (child == 0) {
    if (::unshare(CLONE_NEWPID) != 0 && ::unshare(CLONE_NEWUSER | CLONE_NEWPID) != 0) ::_exit(kNotAllowed);
    const pid_t first = ::fork();
    if (first == 0) {
      const EndBySignal end;
      ::kill(::getpid(), SIGTERM);
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(first, &status, 0);
    ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == kNotAllowed) GTEST_SKIP() << "no name spaces";
  EXPECT_EQ(WEXITSTATUS(status), 128 + SIGTERM);
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

TEST(StopSignalDeathTest, SaysNothingWhereAnotherProcessSaysIt) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        tell_of_signals(false);
        const StopSignal stop;
        std::raise(SIGINT);
        std::raise(SIGTERM);
      },
      testing::KilledBySignal(SIGTERM), testing::Eq(""));
}

}  // namespace
}  // namespace convmixer
