#include "io/archive.hpp"

#include "io/utf8_locale.hpp"
#include "support/archive_bytes.hpp"
#include "support/error_of.hpp"
#include "support/stored_zip.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <langinfo.h>

namespace convmixer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::archive_bytes;
using testing_support::error_of;

const std::string kArchive = archive_bytes({{"a/", ""}, {"a/one", "1"}, {"a/two", "22"}, {"three", "333"}});

std::vector<ArchiveFile> read(const std::string& bytes, std::size_t most_bytes,
                              const std::function<ArchiveChoice(const std::string&)>& choose) {
  return read_archive(std::as_bytes(std::span(bytes)), "here", most_bytes, choose);
}

TEST(Archive, AsksAboutEachFileAndReadsThoseTaken) {
  std::vector<std::string> asked;
  const auto files = read(kArchive, 100, [&](const std::string& name) {
    asked.push_back(name);
    return name == "a/one" ? ArchiveChoice::skip : ArchiveChoice::take;
  });
  EXPECT_THAT(asked, ElementsAre("a/one", "a/two", "three"));
  ASSERT_EQ(files.size(), 2U);
  EXPECT_EQ(files[0].name, "a/two");
  EXPECT_EQ(files[0].bytes, "22");
  EXPECT_EQ(files[1].bytes, "333");
}

TEST(Archive, StopsWhenToldTo) {
  int asked = 0;
  const auto files =
      read(kArchive, 100, [&](const std::string&) { return ++asked == 1 ? ArchiveChoice::take : ArchiveChoice::stop; });
  EXPECT_EQ(files.size(), 1U);
  EXPECT_EQ(asked, 2);
}

TEST(Archive, RefusesMoreThanTheLimitInAllFilesTogether) {
  const auto take = [](const std::string&) { return ArchiveChoice::take; };
  EXPECT_EQ(read(kArchive, 6, take).size(), 3U);
  EXPECT_THAT(error_of([&] { (void)read(kArchive, 5, take); }).what(),
              HasSubstr("here: three in it is too large: expected at most 5 bytes in all"));
  EXPECT_THAT(error_of([&] { (void)read(kArchive, 2, take); }).what(), HasSubstr("here: a/two in it is too large"));
}

TEST(Archive, KeepsMessagesToOneLineWhateverFilesAreCalled) {
  const std::string odd = archive_bytes({{"a\nb\x7f", "123"}});
  const auto take = [](const std::string&) { return ArchiveChoice::take; };
  EXPECT_THAT(error_of([&] { (void)read(odd, 2, take); }).what(), HasSubstr("here: a\\nb\\x7f in it is too large"));
}

TEST(Archive, HasNamesThatAreNotAsciiInAnyLocale) {
  const std::string name = "\xc3\x84pfel/1.png";
  const auto take = [](const std::string&) { return ArchiveChoice::take; };
  std::string tar;
  {
    const Utf8Locale locale;  // who writes one needs it too
    tar = archive_bytes({{name, "1"}}, "tar");
  }
  const std::string before = ::nl_langinfo(CODESET);
  for (const std::string& bytes : {testing_support::stored_zip({{name, "1"}}, testing_support::kUtf8Names),
                                   testing_support::stored_zip({{name, "1"}}), tar}) {
    const auto files = read(bytes, 100, take);
    ASSERT_EQ(files.size(), 1U);
    EXPECT_EQ(files[0].name, name);
    EXPECT_THROW((void)read(bytes, 0, take), Error);
    EXPECT_EQ(::nl_langinfo(CODESET), before);
  }
}

TEST(Archive, PassesOverNoFileWithoutAWord) {
  const std::string name = "\xc3pfel/1.png";  // no UTF-8, though it says so
  const auto take = [](const std::string&) { return ArchiveChoice::take; };
  const std::string bytes = testing_support::stored_zip({{"a", "0"}, {name, "1"}}, testing_support::kUtf8Names);
  try {
    EXPECT_EQ(read(bytes, 100, take).size(), 2U);
  } catch (const Error& error) {  // as libarchive's release has it
    EXPECT_THAT(error.what(), HasSubstr("here: entry 2: expected a name in UTF-8"));
  }
}

TEST(Archive, RefusesWhatClaimsToUnpackToFarTooMuch) {
  // A header of tar with a size of 2^40, in base 256.
  std::string tar = archive_bytes({{"huge", ""}}, "tar").substr(0, 512);
  tar.replace(124, 12, std::string("\x80\0\0\0\0\0\x01\0\0\0\0\0", 12));
  unsigned sum = 0;
  for (std::size_t i = 0; i < 512; ++i) sum += i >= 148 && i < 156 ? 32U : static_cast<unsigned char>(tar[i]);
  tar.replace(148, 8, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
  const auto skip = [](const std::string&) { return ArchiveChoice::skip; };
  EXPECT_THAT(error_of([&] { (void)read(tar, 100, skip); }).what(), HasSubstr("here: unpacks to more than 16 GiB"));
}

}  // namespace
}  // namespace convmixer
