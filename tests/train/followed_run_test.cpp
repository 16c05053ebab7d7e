#include "train/followed_run.hpp"

#include "convmixer/core/file.hpp"
#include "support/environment_variable.hpp"
#include "support/error_of.hpp"
#include "support/file_size_limit.hpp"
#include "support/temporary_folder.hpp"
#include "support/thread_ranks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <mutex>
#include <string>
#include <vector>

namespace convmixer {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing_support::EnvironmentVariable;
using testing_support::error_of;
using testing_support::run_ranks;
using testing_support::TemporaryFolder;

class FollowedRunTest : public testing::Test {
 protected:
  FollowedRunTest() { write_file_atomically(folder_.state(), std::string(100'000, 's')); }

  /// Rank 0 sends the state of a run; the other one follows it, and does as told while it does.
  void follow(const std::function<void(const fs::path& folder)>& body = [](const fs::path&) {}) {
    run_ranks(2, [&](Communicator& ranks) {
      if (ranks.rank() == 0) return send_state(ranks, folder_);
      const FollowedRun followed(ranks);
      body(followed.folder());
    });
  }

  TemporaryFolder parent_;
  RunFolder folder_{parent_.path()};
  TemporaryFolder temporary_;
  EnvironmentVariable place_{"TMPDIR", temporary_.path().string()};
};

TEST_F(FollowedRunTest, HasTheStateThatRankZeroSendsWhileItLasts) {
  fs::path seen;
  follow([&](const fs::path& folder) {
    seen = folder;
    EXPECT_EQ(folder.parent_path(), temporary_.path());
    EXPECT_NE(folder, folder_.path);
    EXPECT_EQ(read_text_file(RunFolder{folder}.state()), read_text_file(folder_.state()));
    write_file_atomically(folder / "more", std::string("whatever comes there later"));
  });
  EXPECT_NE(seen, fs::path());
  EXPECT_TRUE(fs::is_empty(temporary_.path()));
}

TEST_F(FollowedRunTest, LeavesNothingOnceItIsRemovedWhateverBecomesOfTheRank) {
  run_ranks(2, [&](Communicator& ranks) {
    if (ranks.rank() == 0) return send_state(ranks, folder_);
    FollowedRun followed(ranks);
    EXPECT_FALSE(fs::is_empty(temporary_.path()));
    followed.remove();
    EXPECT_TRUE(fs::is_empty(temporary_.path()));
  });
}

TEST_F(FollowedRunTest, SaysWhereNoTemporaryFolderCanBeMade) {
  for (const fs::path& place : {folder_.state(), temporary_.path() / "nowhere"}) {  // a file, and nothing
    const EnvironmentVariable given("TMPDIR", place.string());
    EXPECT_THAT(error_of([&] { follow(); }).what(),
                AllOf(HasSubstr("rank 1: no temporary folder in " + place.string() + ": "),
                      HasSubstr("; TMPDIR names another place")));
  }
}

TEST_F(FollowedRunTest, LeavesNothingWhereTheStateCanNotBeWritten) {
  const testing_support::FileSizeLimit limit(1000);
  EXPECT_THAT(error_of([&] { follow(); }).what(), HasSubstr("convmixer-rank-"));
  EXPECT_TRUE(fs::is_empty(temporary_.path()));
}

/// What each rank gets, by rank, of functions that all call so many times.
template <typename Number, typename Make>
std::vector<std::vector<Number>> numbers_of(int ranks, int calls, const Make& make) {
  std::vector<std::vector<Number>> numbers(static_cast<std::size_t>(ranks));
  run_ranks(ranks, [&](Communicator& communicator) {
    const auto function = make(communicator);
    for (int call = 0; call < calls; ++call)
      numbers[static_cast<std::size_t>(communicator.rank())].push_back(function());
  });
  return numbers;
}

TEST(SharedClock, IsThatOfRankZero) {
  for (const int ranks : {1, 2, 3, 4}) {
    const auto times = numbers_of<double>(ranks, 3, [](Communicator& communicator) {
      const double step = communicator.rank() == 0 ? 0.25 : 100.0 * communicator.rank();
      return shared_clock([step, time = 0.0]() mutable { return time += step; }, communicator);
    });
    EXPECT_THAT(times, Each(ElementsAre(0.25, 0.5, 0.75)));
  }
}

TEST(SharedSignal, IsSeenByAllWhicheverGotIt) {
  for (const int ranks : {1, 2, 3, 4}) {
    for (int struck = 0; struck < ranks; ++struck) {
      const auto signals = numbers_of<int>(ranks, 3, [struck](Communicator& communicator) {
        const bool is_struck = communicator.rank() == struck;
        return shared_signal([is_struck, call = 0]() mutable { return ++call > 1 && is_struck ? 15 : 0; },
                             communicator);
      });
      EXPECT_THAT(signals, Each(ElementsAre(0, 15, 15))) << struck;
    }
  }
}

}  // namespace
}  // namespace convmixer
