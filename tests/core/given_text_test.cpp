#include "convmixer/core/given_text.hpp"

#include "convmixer/core/error.hpp"
#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <sys/stat.h>
#include <thread>

namespace convmixer {
namespace {

using testing::HasSubstr;
using testing_support::error_of;
using testing_support::TemporaryFolder;

TEST(GivenText, IsTheFilesWithoutAByteOrderMark) {
  const TemporaryFolder folder;
  EXPECT_EQ(read_given_text(folder.write("a", "\xef\xbb\xbfone\r\n\xef\xbb\xbf")), "one\r\n\xef\xbb\xbf");
  EXPECT_EQ(read_given_text(folder.write("b", "")), "");
  const std::string large(200'000, 'x');
  EXPECT_EQ(read_given_text(folder.write("c", large)), large);
}

TEST(GivenText, ComesThroughAPipe) {
  const TemporaryFolder folder;
  const std::filesystem::path pipe = folder.path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const std::string large(200'000, 'x');
  std::thread writer([&] { std::ofstream(pipe) << large; });
  EXPECT_EQ(read_given_text(pipe), large);
  writer.join();
}

TEST(GivenText, RefusesOtherEncodingsFoldersAndWhatIsNotThere) {
  const TemporaryFolder folder;
  for (const std::string& text : {std::string("\xff\xfe"
                                              "a\0",
                                              4),
                                  std::string("\xfe\xff\0a", 4), std::string("a\0b", 3)}) {
    const std::filesystem::path path = folder.write("a", text);
    const Error error = error_of([&] { std::ignore = read_given_text(path); });
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_THAT(error.what(), HasSubstr(path.string() + ": UTF-16 or no text at all, expected UTF-8"));
  }
  EXPECT_THAT(error_of([&] { std::ignore = read_given_text(folder.path()); }).what(), HasSubstr("found a folder"));
  EXPECT_THAT(error_of([&] { std::ignore = read_given_text(folder.path() / "none"); }).what(),
              HasSubstr("none: can't be opened: No such file"));
}

}  // namespace
}  // namespace convmixer
