#include "core/temporary_file.hpp"

#include "convmixer/core/file.hpp"
#include "support/temporary_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/file.h>
#include <thread>
#include <unistd.h>

namespace convmixer {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing_support::TemporaryFolder;

TEST(TemporaryFile, HasANameThatIsOnlyOurs) {
  const TemporaryFolder folder;
  const TemporaryFile first(folder.path());
  const TemporaryFile second(folder.path());
  ASSERT_TRUE(first.valid() && second.valid());
  EXPECT_NE(first.path(), second.path());
  EXPECT_THAT(first.path().filename().string(), MatchesRegex("\\.convmixer-[0-9a-f]{16}\\.part"));
}

TEST(TemporaryFile, GoesUnlessItWasRenamed) {
  const TemporaryFolder folder;
  { const TemporaryFile file(folder.path()); }
  EXPECT_THAT(folder.names(), IsEmpty());
  {
    TemporaryFile file(folder.path());
    EXPECT_TRUE(file.rename(folder.path() / "a"));
  }
  EXPECT_THAT(folder.names(), ElementsAre("a"));
}

TEST(TemporaryFile, SaysWhyItCannotBeMade) {
  const TemporaryFolder folder;
  const TemporaryFile file(folder.path() / "absent");
  EXPECT_EQ(errno, ENOENT);
  EXPECT_FALSE(file.valid());
}

TEST(TemporaryFile, IsFoundByAHandlerThatEndsTheProcess) {
  const TemporaryFolder folder;
  TemporaryFile kept(folder.path());
  ASSERT_TRUE(kept.rename(folder.path() / "a"));
  {
    const TemporaryFile file(folder.path());
    remove_temporary_files_of_this_process();
    EXPECT_THAT(folder.names(), ElementsAre("a"));
  }
}

// As in two containers, whose processes have the same number: threads have one, too.
TEST(TemporaryFile, KeepsWritersOfOneNumberApart) {
  constexpr int kWrites = 30;
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "a";
  const auto write = [&path](char letter) {
    const std::string text(100'000, letter);
    for (int i = 0; i < kWrites; ++i) write_file_atomically(path, text);
  };
  {
    const std::jthread first(write, 'a');
    const std::jthread second(write, 'b');
    while (!fs::exists(path)) std::this_thread::yield();
    for (int i = 0; i < kWrites; ++i) {
      const std::string text = read_text_file(path);
      EXPECT_EQ(text.size(), 100'000U);
      EXPECT_EQ(text.find_first_not_of(text.front()), std::string::npos);
    }
  }
  EXPECT_THAT(folder.names(), ElementsAre("a"));
}

TEST(RemoveAbandonedFiles, TakesOursThatNobodyHolds) {
  const TemporaryFolder folder;
  folder.write(".convmixer-0123456789abcdef.part", "left by a process that was killed");
  remove_abandoned_files(folder.path());
  EXPECT_THAT(folder.names(), IsEmpty());
}

TEST(RemoveAbandonedFiles, LeavesWhatIsBeingWritten) {
  const TemporaryFolder folder;
  TemporaryFile file(folder.path());
  remove_abandoned_files(folder.path());
  EXPECT_TRUE(file.rename(folder.path() / "a"));
  EXPECT_THAT(folder.names(), ElementsAre("a"));
}

TEST(RemoveAbandonedFiles, LeavesWhatIsOthers) {
  const TemporaryFolder folder;
  for (const char* name : {"film.mp4.part", "best.safetensors.123.part", ".convmixer-0123456789abcdef",
                           ".convmixer-0123456789abcdeX.part", ".convmixer-0123456789abcdef0.part"})
    folder.write(name, "");
  fs::create_directory(folder.path() / ".convmixer-0123456789abcdef.part");
  fs::create_symlink("film.mp4.part", folder.path() / ".convmixer-fedcba9876543210.part");
  const std::vector<std::string> before = folder.names();
  remove_abandoned_files(folder.path());
  EXPECT_EQ(folder.names(), before);
}

TEST(OldTemporaryName, IsTheFilesWithANumber) {
  EXPECT_TRUE(is_old_temporary_name("a.ini.123.part", "a.ini"));
  for (const char* name : {"a.ini.part", "a.ini..part", "a.ini.12x.part", "b.ini.123.part", "a.ini123.part", "a.ini.1"})
    EXPECT_FALSE(is_old_temporary_name(name, "a.ini")) << name;
}

}  // namespace
}  // namespace convmixer
