#include "convmixer/train/run_folder.hpp"

#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <optional>
#include <sys/file.h>
#include <unistd.h>

namespace {

int flock_error = 0;  // 0: as the file system has it

}  // namespace

extern "C" int __real_flock(int descriptor, int operation);
extern "C" int __wrap_flock(int descriptor, int operation) {
  if (flock_error == 0) return __real_flock(descriptor, operation);
  errno = flock_error;
  return -1;
}

namespace convmixer {
namespace {

using testing::HasSubstr;
using testing_support::error_of;

class RunFolderTest : public testing::Test {
 protected:
  testing_support::TemporaryFolder parent_;
  RunFolder folder_{parent_.path() / "runs" / "a"};
};

TEST_F(RunFolderTest, IsMadeWithTheFoldersAboveIt) {
  const RunFolderLock lock(folder_);
  EXPECT_TRUE(std::filesystem::is_directory(folder_.path));
}

TEST_F(RunFolderTest, GoesAgainWithWhatWasMadeForItIfNothingIsPutIntoIt) {
  { const RunFolderLock lock(folder_); }
  EXPECT_EQ(parent_.names(), std::vector<std::string>{});
  std::filesystem::create_directory(parent_.path() / "runs");
  { const RunFolderLock lock({folder_.path / ""}); }
  EXPECT_EQ(parent_.names(), std::vector<std::string>{"runs"});
  parent_.write("runs/a/.lock", "");  // somebody's, who isn't here
  { const RunFolderLock lock(folder_); }
  EXPECT_TRUE(std::filesystem::exists(folder_.lock()));
  std::filesystem::remove(folder_.lock());
  {
    const RunFolderLock lock(folder_);
    parent_.write("runs/a/config.ini", "");
  }
  EXPECT_TRUE(std::filesystem::exists(folder_.lock()));
}

TEST_F(RunFolderTest, LeavesNothingWhereItCannotBeMade) {
  const std::string long_name(300, 'x');
  EXPECT_ANY_THROW(RunFolderLock({parent_.path() / "a" / "b" / long_name}));
  EXPECT_EQ(parent_.names(), std::vector<std::string>{});
}

TEST_F(RunFolderTest, IsNotTakenAwayFromUnderAnotherWhereThereAreNoLocks) {
  flock_error = ENOLCK;
  {
    const RunFolderLock other(folder_);
    const RunFolderLock refused(folder_);
  }
  flock_error = 0;
  EXPECT_TRUE(std::filesystem::exists(folder_.path));
}

TEST_F(RunFolderTest, IsNotTakenAwayWhereAnotherHasMadeItAnew) {
  std::optional<RunFolderLock> lock(std::in_place, folder_);
  std::filesystem::rename(folder_.path, parent_.path() / "elsewhere");
  const RunFolderLock other(folder_);
  lock.reset();
  EXPECT_TRUE(std::filesystem::exists(folder_.lock()));
  EXPECT_THAT(error_of([&] { const RunFolderLock third(folder_); }).what(), HasSubstr("another process"));
}

TEST_F(RunFolderTest, KeepsASecondOneOut) {
  std::optional<RunFolderLock> lock(std::in_place, folder_);
  const Error error = error_of([&] { const RunFolderLock second(folder_); });
  EXPECT_EQ(error.what(), folder_.path.string() +
                              ": another process is training into this folder; wait for it, or choose another --out");
  lock.reset();
  const RunFolderLock third(folder_);
}

TEST_F(RunFolderTest, GoesWithoutALockWhereTheFileSystemHasNone) {
  EXPECT_EQ(RunFolderLock(folder_).missing(), "");
  for (const int error : {ENOLCK, ENOSYS, EOPNOTSUPP}) {
    flock_error = error;
    const RunFolderLock lock(folder_);
    flock_error = 0;
    EXPECT_THAT(lock.missing(), HasSubstr(folder_.path.string() + ": can't be locked ("));
  }
  flock_error = EIO;
  EXPECT_THAT(error_of([&] { const RunFolderLock lock(folder_); }).what(), HasSubstr("can't be locked: Input/output"));
  flock_error = 0;
}

TEST_F(RunFolderTest, IsNamedWhenItCannotBeMade) {
  parent_.write("runs", "a file where the folder should be");
  EXPECT_THAT(error_of([&] { const RunFolderLock lock(folder_); }).what(), HasSubstr(folder_.path.string()));
}

TEST_F(RunFolderTest, IsOnlyLookedAtWithoutBeingMade) {
  EXPECT_EQ(RunFolderLock(folder_, FolderUse::look).missing(), "");
  EXPECT_EQ(parent_.names(), std::vector<std::string>{});
  const RunFolderLock lock(folder_);
  EXPECT_THAT(error_of([&] { const RunFolderLock look(folder_, FolderUse::look); }).what(),
              HasSubstr("another process is training into this folder"));
}

TEST_F(RunFolderTest, HoldsNothingAfterALook) {
  { const RunFolderLock lock(folder_); }
  const RunFolderLock look(folder_, FolderUse::look);
  const RunFolderLock lock(folder_);
  EXPECT_EQ(lock.missing(), "");
}

TEST_F(RunFolderTest, IsRefusedAtALookWhereItCouldNotBeMade) {
  const auto refusal = [](const std::filesystem::path& path) {
    return error_of([&] { const RunFolderLock look(RunFolder{path}, FolderUse::look); }).what();
  };
  parent_.write("file", "a file where the folder should be");
  const std::string file = (parent_.path() / "file").string();
  EXPECT_EQ(refusal(file + "/a/b"), file + "/a/b: the run folder can't be made: " + file + " is no folder");
  if (::geteuid() == 0) return;  // who may write anywhere
  const std::filesystem::path closed = parent_.path() / "closed";
  std::filesystem::create_directory(closed);
  std::filesystem::permissions(closed, std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
  EXPECT_EQ(refusal(closed / "a"),
            closed.string() + "/a: the run folder can't be made in " + closed.string() + ": Permission denied");
  EXPECT_EQ(refusal(closed), closed.string() + ": can't be written: Permission denied");
}

TEST_F(RunFolderTest, LosesWhatWasLeftUnfinishedAndNothingOfOthers) {
  const testing_support::TemporaryFolder run;
  run.write(".convmixer-0123456789abcdef.part", "half");
  run.write("best.safetensors.123.part", "half, of an earlier release");
  for (const char* name : {"best.safetensors", "film.mp4.part", "film.mp4.123.part", "best.safetensors.part"})
    run.write(name, "whole, or somebody's");
  std::filesystem::create_directory(run.path() / "metrics.jsonl.5.part");
  std::vector<std::string> expected = run.names();
  std::erase(expected, ".convmixer-0123456789abcdef.part");
  std::erase(expected, "best.safetensors.123.part");
  remove_unfinished_files({run.path()});
  EXPECT_EQ(run.names(), expected);
}

TEST_F(RunFolderTest, IsMovedAsideToTheFirstFreeName) {
  parent_.write("runs/a/metrics.jsonl", "first");
  EXPECT_EQ(move_aside(folder_), parent_.path() / "runs" / "a.1");
  EXPECT_FALSE(std::filesystem::exists(folder_.path));
  EXPECT_TRUE(std::filesystem::exists(parent_.path() / "runs" / "a.1" / "metrics.jsonl"));
  parent_.write("runs/a/metrics.jsonl", "second");
  EXPECT_EQ(move_aside({parent_.path() / "runs" / "a" / ""}), parent_.path() / "runs" / "a.2");
}

TEST_F(RunFolderTest, IsNotMovedFromUnderATraining) {
  const RunFolderLock lock(folder_);
  EXPECT_THAT(error_of([&] { move_aside(folder_); }).what(), HasSubstr("another process"));
  EXPECT_TRUE(std::filesystem::exists(folder_.path));
}

}  // namespace
}  // namespace convmixer
