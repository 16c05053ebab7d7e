#include "convmixer/core/file.hpp"

#include "convmixer/core/error.hpp"
#include "support/error_of.hpp"
#include "support/file_size_limit.hpp"
#include "support/temporary_folder.hpp"
#include "support/time_limit.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace convmixer {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing_support::error_of;
using testing_support::FileSizeLimit;
using testing_support::TemporaryFolder;

std::string text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

TEST(MappedFile, ShowsTheFilesBytes) {
  const TemporaryFolder folder;
  const MappedFile file(folder.write("a", std::string("text\0more", 9)));
  EXPECT_EQ(text_of(file), std::string("text\0more", 9));
}

TEST(MappedFile, MapsAnEmptyFileToNoBytes) {
  const TemporaryFolder folder;
  EXPECT_THAT(MappedFile(folder.write("empty", "")).bytes(), IsEmpty());
}

TEST(MappedFile, SaysWhichFileIsMissing) {
  const TemporaryFolder folder;
  const std::string path = folder.path() / "absent";
  EXPECT_THAT(error_of([&] { const MappedFile file(path); }).what(), AllOf(HasSubstr(path), HasSubstr("No such file")));
}

TEST(MappedFile, RefusesAFolder) {
  const TemporaryFolder folder;
  EXPECT_THAT(error_of([&] { const MappedFile file(folder.path()); }).what(),
              AllOf(HasSubstr(folder.path().string()), HasSubstr("expected a file")));
}

TEST(MappedFile, RefusesAPipeWithoutWaitingForItsOtherEnd) {
  const TemporaryFolder folder;
  const std::filesystem::path pipe = folder.path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const testing_support::TimeLimit limit(10);
  EXPECT_THAT(error_of([&] { const MappedFile file(pipe); }).what(),
              HasSubstr(pipe.string() + ": expected a file, found something else"));
  EXPECT_THAT(error_of([&] { std::ignore = read_text_file(pipe); }).what(),
              HasSubstr(pipe.string() + ": expected a file, found something else"));
}

TEST(MappedFile, OutlivesItsMovesAndTheFilesName) {
  const TemporaryFolder folder;
  MappedFile first(folder.write("a", "first"));
  MappedFile second(folder.write("b", "second"));
  std::filesystem::remove_all(folder.path());
  MappedFile moved = std::move(first);
  EXPECT_EQ(text_of(moved), "first");
  moved = std::move(second);
  EXPECT_EQ(text_of(moved), "second");
}

TEST(ReadTextFile, GivesTheWholeText) {
  const TemporaryFolder folder;
  EXPECT_EQ(read_text_file(folder.write("a", "one\r\ntwo\n\0three")), "one\r\ntwo\n\0three");
  EXPECT_EQ(read_text_file(folder.write("b", "")), "");
}

TEST(ReadTextFile, NamesAMissingFileOrAFolder) {
  const TemporaryFolder folder;
  const std::string path = folder.path() / "absent";
  EXPECT_THAT(error_of([&] { std::ignore = read_text_file(path); }).what(),
              AllOf(HasSubstr(path), HasSubstr("No such file")));
  EXPECT_THAT(error_of([&] { std::ignore = read_text_file(folder.path()); }).what(),
              AllOf(HasSubstr(folder.path().string()), HasSubstr("folder")));
}

TEST(WriteFileAtomically, WritesThePartsInOrderAndNothingElse) {
  const TemporaryFolder folder;
  const std::array<std::string_view, 3> texts = {"one ", "", "two"};
  std::vector<std::span<const std::byte>> parts;
  for (const std::string_view text : texts) parts.push_back(std::as_bytes(std::span(text)));
  write_file_atomically(folder.path() / "a", parts);
  EXPECT_EQ(read_text_file(folder.path() / "a"), "one two");
  EXPECT_THAT(folder.names(), ElementsAre("a"));
}

TEST(WriteFileAtomically, ReplacesAFileAndWritesInTheCurrentFolder) {
  const TemporaryFolder folder;
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  write_file_atomically("a", "a long first text");
  write_file_atomically("a", "short");
  std::filesystem::current_path(before);
  EXPECT_EQ(read_text_file(folder.path() / "a"), "short");
  EXPECT_THAT(folder.names(), ElementsAre("a"));
}

TEST(WriteFileAtomically, LeavesReadersOfTheOldFileUndisturbed) {
  const TemporaryFolder folder;
  const MappedFile old(folder.write("a", "old"));
  write_file_atomically(folder.path() / "a", "new");
  EXPECT_EQ(text_of(old), "old");
}

TEST(WriteFileAtomically, KeepsTheOldFileWhenTheDiskIsFull) {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder.write("a", "old");
  const std::string large(100000, 'x');
  std::string message;
  {
    const FileSizeLimit limit(4096);
    message = error_of([&] { write_file_atomically(path, large); }).what();
  }
  EXPECT_THAT(message, AllOf(HasSubstr(path.string()), HasSubstr("can't be written"),
                             HasSubstr("File too large (the limit is 4096 bytes, see ulimit -f)")));
  EXPECT_EQ(read_text_file(path), "old");
  EXPECT_THAT(folder.names(), ElementsAre("a"));
}

TEST(WriteFileAtomically, LeavesNothingWhereNothingStoodWhenTheDiskIsFull) {
  const TemporaryFolder folder;
  {
    const FileSizeLimit limit(0);
    EXPECT_THROW(write_file_atomically(folder.path() / "a", "text"), Error);
  }
  EXPECT_THAT(folder.names(), IsEmpty());
}

TEST(WriteFileAtomically, RefusesAFolderAsTheTargetAndLeavesNoTemporaryFile) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder.path() / "a");
  EXPECT_THAT(error_of([&] { write_file_atomically(folder.path() / "a", "text"); }).what(),
              HasSubstr((folder.path() / "a").string() + ": expected a file or nothing, found a folder"));
  EXPECT_THAT(folder.names(), ElementsAre("a"));
}

TEST(WriteFileAtomically, LeavesALinkAndWritesWhereItLeads) {
  const TemporaryFolder folder;
  const std::filesystem::path file = folder.write("store/file", "old");
  std::filesystem::create_symlink("store/file", folder.path() / "link");
  std::filesystem::create_symlink(folder.path() / "link", folder.path() / "again");
  require_writable(folder.path() / "again");
  write_file_atomically(folder.path() / "again", "new");
  EXPECT_EQ(read_text_file(file), "new");
  EXPECT_EQ(std::filesystem::read_symlink(folder.path() / "again"), folder.path() / "link");
  EXPECT_EQ(std::filesystem::read_symlink(folder.path() / "link"), "store/file");
  EXPECT_FALSE(std::filesystem::is_symlink(file));
}

TEST(WriteFileAtomically, MakesTheFileThatALinkLeadsTo) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder.path() / "store");
  std::filesystem::create_symlink("store/file", folder.path() / "link");
  require_writable(folder.path() / "link");
  write_file_atomically(folder.path() / "link", "new");
  EXPECT_EQ(read_text_file(folder.path() / "store" / "file"), "new");
  EXPECT_TRUE(std::filesystem::is_symlink(folder.path() / "link"));
}

TEST(WriteFileAtomically, NamesALinkThatLeadsNowhere) {
  const TemporaryFolder folder;
  const std::filesystem::path link = folder.path() / "link";
  std::filesystem::create_symlink("absent/file", link);
  const std::string no_folder = link.string() + ": can't be created: No such file or directory";
  EXPECT_EQ(error_of([&] { write_file_atomically(link, "text"); }).what(), no_folder);
  EXPECT_EQ(error_of([&] { require_writable(link); }).what(), no_folder);
  std::filesystem::create_symlink("circle", folder.path() / "circle");
  const std::string circle = (folder.path() / "circle").string() + ": can't be followed: Too many levels of symbolic";
  EXPECT_THAT(error_of([&] { write_file_atomically(folder.path() / "circle", "text"); }).what(), HasSubstr(circle));
  EXPECT_THAT(error_of([&] { require_writable(folder.path() / "circle"); }).what(), HasSubstr(circle));
  EXPECT_THAT(folder.names(), ElementsAre("circle", "link"));
}

TEST(WriteFileAtomically, KeepsThePermissionsOfTheFileThere) {
  namespace fs = std::filesystem;
  const TemporaryFolder folder;
  const fs::path path = folder.write("a", "old");
  for (const unsigned mode : {0600U, 0640U, 0666U, 0444U}) {
    fs::permissions(path, fs::perms(mode));
    write_file_atomically(path, "new");
    EXPECT_EQ(fs::status(path).permissions(), fs::perms(mode));
  }
  const mode_t before = ::umask(0027);
  write_file_atomically(folder.path() / "b", "new");
  ::umask(before);
  EXPECT_EQ(fs::status(folder.path() / "b").permissions(), fs::perms(0640));
}

TEST(WriteFileAtomically, WritesTheLongestNameThatAFileCanHave) {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder.path() / std::string(255, 'a');
  require_writable(path);
  write_file_atomically(path, "text");
  EXPECT_EQ(read_text_file(path), "text");
}

TEST(RequireWritable, LeavesTheFolderAsItIs) {
  const TemporaryFolder folder;
  folder.write("a", "old");
  require_writable(folder.path() / "a");
  require_writable(folder.path() / "b");
  EXPECT_EQ(read_text_file(folder.path() / "a"), "old");
  EXPECT_THAT(folder.names(), ElementsAre("a"));
}

TEST(RequireWritable, RefusesWhatWritingWouldRefuse) {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder.path() / "absent" / "a";
  EXPECT_THAT(error_of([&] { require_writable(path); }).what(), AllOf(HasSubstr(path.string()), HasSubstr("No such")));
  EXPECT_THAT(error_of([&] { require_writable(folder.path()); }).what(), HasSubstr("expected a file or nothing"));
  EXPECT_THAT(error_of([&] { require_writable("/dev/null"); }).what(), HasSubstr("expected a file or nothing"));
  const std::filesystem::path too_long = folder.path() / std::string(256, 'a');
  EXPECT_THAT(error_of([&] { require_writable(too_long); }).what(), HasSubstr("File name too long"));
}

TEST(WriteFileAtomically, SaysThatTheFolderIsMissing) {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder.path() / "absent" / "a";
  EXPECT_THAT(error_of([&] { write_file_atomically(path, "text"); }).what(),
              AllOf(HasSubstr(path.string()), HasSubstr("No such file or directory")));
}

TEST(WriteFileAtomically, SaysThatTheFolderMayNotBeWritten) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
  const TemporaryFolder folder;
  const std::filesystem::path path = folder.write("locked/a", "old");
  std::filesystem::permissions(path.parent_path(),
                               std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
  EXPECT_THAT(error_of([&] { write_file_atomically(path, "text"); }).what(), HasSubstr("Permission denied"));
  std::filesystem::permissions(path.parent_path(), std::filesystem::perms::owner_all);
  EXPECT_EQ(read_text_file(path), "old");
}

}  // namespace
}  // namespace convmixer
