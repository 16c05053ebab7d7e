#include "convmixer/core/whole_file.hpp"

#include "convmixer/core/file.hpp"
#include "support/error_of.hpp"
#include "support/file_size_limit.hpp"
#include "support/temporary_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace convmixer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing_support::error_of;

TEST(WholeFile, IsThereOnceItIsFinishedWithAllThatWasWritten) {
  const testing_support::TemporaryFolder folder;
  const auto path = folder.path() / "text";
  std::string expected;
  {
    WholeFile file(path);
    for (int i = 0; i < 3000; ++i) {
      const std::string part(static_cast<std::size_t>(i % 97), static_cast<char>('a' + i % 26));
      file.write(part);
      expected += part;
    }
    const std::string large(200'000, '!');  // more than is kept back
    file.write(large);
    file.write("end");
    expected += large + "end";
    file.finish();
  }
  EXPECT_EQ(read_text_file(path), expected);
  EXPECT_THAT(folder.names(), ElementsAre("text"));
}

TEST(WholeFile, LeavesWhatStoodThereAndNothingOfItselfUnlessFinished) {
  const testing_support::TemporaryFolder folder;
  const auto path = folder.write("text", "old");
  {
    WholeFile file(path);
    file.write(std::string(200'000, 'n'));
    EXPECT_EQ(read_text_file(path), "old");
  }
  EXPECT_EQ(read_text_file(path), "old");
  EXPECT_THAT(folder.names(), ElementsAre("text"));
}

TEST(WholeFile, IsNotReadByThoseWhoMayNotReadTheFileThere) {
  namespace fs = std::filesystem;
  const testing_support::TemporaryFolder folder;
  const auto path = folder.write("secret", "old");
  fs::permissions(path, fs::perms(0400));
  WholeFile file(path);
  for (const fs::directory_entry& entry : fs::directory_iterator(folder.path()))
    EXPECT_EQ(entry.status().permissions() & fs::perms(0077), fs::perms::none) << entry.path();
  file.finish();
  EXPECT_EQ(fs::status(path).permissions(), fs::perms(0400));
}

TEST(WholeFile, NamesAFolderThatIsNotThereAndALimitThatItGoesBeyond) {
  const testing_support::TemporaryFolder folder;
  const auto nowhere = folder.path() / "none" / "text";
  EXPECT_THAT(error_of([&] { const WholeFile file(nowhere); }).what(), HasSubstr(nowhere.string()));
  const auto path = folder.path() / "text";
  {
    WholeFile file(path);
    const testing_support::FileSizeLimit limit(100);
    file.write(std::string(101, 'x'));
    EXPECT_THAT(error_of([&] { file.finish(); }).what(), HasSubstr("can't be written: File too large"));
  }
  EXPECT_THAT(folder.names(), IsEmpty());
}

}  // namespace
}  // namespace convmixer
