#include "data/sources/cached_folder.hpp"

#include "convmixer/core/file.hpp"
#include "convmixer/data/open_dataset.hpp"
#include "convmixer/data/sources/packed.hpp"
#include "convmixer/io/safetensors.hpp"
#include "data/sources/fit_image.hpp"
#include "support/environment_variable.hpp"
#include "support/error_of.hpp"
#include "support/file_size_limit.hpp"
#include "support/image_bytes.hpp"
#include "support/temporary_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <fstream>
#include <thread>

namespace convmixer {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using namespace testing_support;

/// Class folders of PNG files, each of one colour, and a cache folder of the test's own.
class CachedFolder : public testing::Test {
 protected:
  CachedFolder() {
    for (const char* split : {"train", "test"}) {
      write(std::string(split) + "/blue/1.png", 10, 20, 200);
      write(std::string(split) + "/blue/2.png", 11, 21, 201);
      write(std::string(split) + "/red/1.png", 210, 20, 10);
    }
    options_.name = "folder";
    options_.path = folder_.path() / "pictures";
    options_.cache = folder_.path() / "cache";
    options_.threads = 2;
    options_.note = [this](const std::string& note) { notes_.push_back(note); };
  }

  void write(const std::string& name, std::uint8_t red, std::uint8_t green, std::uint8_t blue, int width = 4,
             int height = 4) const {
    folder_.write("pictures/" + name, plain_png(width, height, red, green, blue));
  }

  [[nodiscard]] std::unique_ptr<Dataset> open(Split split = Split::train) {
    notes_.clear();
    return open_dataset(options_, split);
  }
  [[nodiscard]] std::string refusal(ErrorKind kind = ErrorKind::failure) {
    const Error error = error_of([&] { (void)open(); });
    EXPECT_EQ(error.kind(), kind);
    return error.what();
  }

  TemporaryFolder folder_;
  DatasetOptions options_;
  std::vector<std::string> notes_;
};

TEST_F(CachedFolder, GivesImagesLabelsAndClassesOfEachSplit) {
  const auto train = open();
  ASSERT_EQ(train->size(), 3);
  EXPECT_EQ(train->channels(), 3);
  EXPECT_EQ(train->image_size(), 4);
  EXPECT_THAT(train->class_names(), ElementsAre("blue", "red"));
  EXPECT_EQ(train->label(1), 0);
  EXPECT_EQ(train->label(2), 1);
  EXPECT_EQ(train->image(1)[0], 11);
  EXPECT_EQ(train->image(1)[16], 21);
  EXPECT_EQ(train->image(1)[47], 201);
  EXPECT_EQ(train->image(2)[0], 210);
  EXPECT_EQ(open(Split::test)->size(), 3);
}

TEST_F(CachedFolder, IsRecognisedWithoutItsName) {
  options_.name = "auto";
  EXPECT_EQ(recognise_dataset(options_.path), "folder");
  EXPECT_EQ(open()->size(), 3);
}

TEST_F(CachedFolder, DecodesOnceForBothSplits) {
  (void)open();
  EXPECT_THAT(notes_, ElementsAre(AllOf(HasSubstr("decoding the 6 images"), HasSubstr(cache_file(options_).string()))));
  (void)open(Split::test);
  EXPECT_THAT(notes_, IsEmpty());
  (void)open();
  EXPECT_THAT(notes_, IsEmpty());
}

TEST_F(CachedFolder, DecodesAgainWhenAFileIsNewGoneLargerOrYounger) {
  (void)open();
  write("train/red/2.png", 250, 0, 0);
  EXPECT_EQ(open()->size(), 4);
  EXPECT_EQ(notes_.size(), 1U);
  fs::remove(options_.path / "train/red/2.png");
  EXPECT_EQ(open()->size(), 3);
  EXPECT_EQ(notes_.size(), 1U);
  write("train/red/1.png", 99, 98, 97);
  fs::last_write_time(options_.path / "train/red/1.png", fs::file_time_type::clock::now() + std::chrono::seconds(5));
  EXPECT_EQ(open()->image(2)[0], 99);
  EXPECT_EQ(notes_.size(), 1U);
  fs::rename(options_.path / "train/red", options_.path / "train/yellow");
  fs::rename(options_.path / "test/red", options_.path / "test/yellow");
  EXPECT_THAT(open()->class_names(), ElementsAre("blue", "yellow"));
}

TEST_F(CachedFolder, DecodesAgainWhenPixelsAreOthersUnderTheSameSizeAndTime) {
  (void)open();
  const fs::path file = options_.path / "train/red/1.png";
  const auto size = fs::file_size(file);
  const auto time = fs::last_write_time(file);
  write("train/red/1.png", 99, 98, 97);
  fs::last_write_time(file, time);  // as cp -p and rsync do
  ASSERT_EQ(fs::file_size(file), size);
  EXPECT_EQ(open()->image(2)[0], 99);
}

TEST_F(CachedFolder, TakesAFileAgainWhoseRightsWereMended) {
  const fs::path file = options_.path / "train/red/2.png";
  write("train/red/2.png", 1, 2, 3);
  fs::permissions(file, fs::perms::none);
  if (std::ifstream(file).good()) GTEST_SKIP() << "who may read everything can't be refused a file";
  options_.broken_files = BrokenFiles::skip;
  EXPECT_EQ(open()->size(), 3);
  fs::permissions(file, fs::perms::owner_read);
  EXPECT_EQ(open()->size(), 4);
}

TEST_F(CachedFolder, RefusesToLeaveOutTheLastFileOfAClass) {
  options_.broken_files = BrokenFiles::skip;
  folder_.write("pictures/train/red/1.png", "no image");
  EXPECT_THAT(refusal(), AllOf(HasSubstr("class 'red' has no image to train on that can be decoded"),
                               HasSubstr("red/1.png: no PNG")));
  write("train/red/2.png", 1, 2, 3);
  EXPECT_EQ(open()->size(), 3);
}

TEST_F(CachedFolder, TellsOfTheListingsNotesEveryTime) {
  folder_.write("pictures/train/red/notes.txt", "text");
  for (int time = 0; time < 2; ++time) {
    (void)open();
    EXPECT_THAT(notes_, testing::Contains(HasSubstr("left out 1 file, no image by its name: 1 .txt")));
  }
}

TEST_F(CachedFolder, KeepsBothTestsThatAFolderHas) {
  write("val/blue/9.png", 77, 0, 0);
  EXPECT_EQ(open(Split::test)->image(0)[0], 77);
  const fs::path first = cache_file(options_);
  options_.test_folder = "test";
  EXPECT_EQ(open(Split::test)->image(0)[0], 10);
  EXPECT_NE(cache_file(options_), first);
}

TEST_F(CachedFolder, DecodesAgainForOtherSettingsAndKeepsBoth) {
  (void)open();
  const fs::path first = cache_file(options_);
  options_.image_size = 8;
  EXPECT_EQ(open()->image_size(), 8);
  EXPECT_NE(cache_file(options_), first);
  options_.image_size = 0;
  EXPECT_EQ(open()->image_size(), 4);
  EXPECT_THAT(notes_, IsEmpty());
}

TEST_F(CachedFolder, DecodesNothingAgainWhenItsOwnSizeIsAskedForByNumber) {
  const auto first = open();
  ASSERT_EQ(first->image_size(), 4);
  options_.image_size = 4;  // as the configuration that a run saves does
  const auto again = open();
  EXPECT_THAT(notes_, IsEmpty());
  ASSERT_EQ(again->size(), 3);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(std::ranges::equal(again->image(i), first->image(i)));
  write("train/red/2.png", 250, 0, 0);
  EXPECT_EQ(open()->size(), 4);
  EXPECT_EQ(notes_.size(), 1U) << "what is out of date isn't taken";
}

TEST_F(CachedFolder, MakesADamagedCacheAgain) {
  (void)open();
  const fs::path cache = cache_file(options_);
  std::string bytes = read_text_file(cache);
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  write_file_atomically(cache, bytes);
  EXPECT_THAT(error_of([&] { (void)open_packed(cache, Split::test); }).what(), HasSubstr("damaged: the checksum"));
  (void)open(Split::test);
  EXPECT_EQ(notes_.size(), 1U);
  write_file_atomically(cache, "x");
  EXPECT_EQ(open()->size(), 3);
}

TEST_F(CachedFolder, NormalisesByItsTrainingImages) {
  for (const Split split : {Split::train, Split::test}) {
    const Normalisation normalisation = open(split)->normalisation();
    EXPECT_NEAR(normalisation.mean[0], (10 + 11 + 210) / 3.0 / 255.0, 1e-6);
    const double mean = (200 + 201 + 10) / 3.0;
    const double variance = (200.0 * 200 + 201.0 * 201 + 10.0 * 10) / 3.0 - mean * mean;
    EXPECT_NEAR(normalisation.std[2], std::sqrt(variance) / 255.0, 1e-6);
  }
}

TEST_F(CachedFolder, RefusesABrokenFileByNameAndCountsTheOthers) {
  folder_.write("pictures/train/blue/3.png", "no image");
  EXPECT_EQ(refusal(), options_.path.string() +
                           "/train/blue/3.png: no PNG, JPEG or PPM image; broken-files = skip leaves such files out");
  folder_.write("pictures/train/red/7.jpg", "\xff\xd8\xff");
  EXPECT_THAT(refusal(), HasSubstr("3.png: no PNG, JPEG or PPM image (and 1 more broken file);"));
}

TEST_F(CachedFolder, LeavesBrokenFilesOutByChoiceAndNamesThemEveryTime) {
  folder_.write("pictures/train/blue/0.png", "no image");
  folder_.write("pictures/test/red/9.gif", "GIF89a");
  options_.broken_files = BrokenFiles::skip;
  const auto train = open();
  EXPECT_THAT(notes_, ElementsAre(HasSubstr("decoding"),
                                  AllOf(HasSubstr("left out 2 broken files"), HasSubstr("blue/0.png: no PNG"),
                                        HasSubstr("red/9.gif: a GIF image"))));
  ASSERT_EQ(train->size(), 3);
  EXPECT_EQ(train->image(0)[0], 10);
  EXPECT_EQ(train->image(2)[0], 210);
  EXPECT_EQ(train->label(2), 1);
  EXPECT_EQ(train->file_name(0), "train/blue/1.png");
  const auto test = open(Split::test);
  EXPECT_THAT(notes_, ElementsAre(HasSubstr("left out 2 broken files")));
  EXPECT_EQ(test->file_name(2), "test/red/1.png");
  ASSERT_EQ(test->size(), 3);
  EXPECT_EQ(test->image(0)[0], 10);
}

TEST_F(CachedFolder, TakesALinkToNothingForABrokenFileUntilItLeadsToOne) {
  const fs::path link = options_.path / "train/red/2.png";
  fs::create_symlink("later.png", link);
  EXPECT_EQ(refusal(), link.string() +
                           ": can't be opened: No such file or directory; broken-files = skip leaves such "
                           "files out");
  options_.broken_files = BrokenFiles::skip;
  for (int time = 0; time < 2; ++time) {
    const auto train = open();
    EXPECT_EQ(train->size(), 3);
    EXPECT_THAT(train->left_out(), ElementsAre(link.string() + ": can't be opened: No such file or directory"));
    EXPECT_EQ(notes_.size(), time == 0 ? 2U : 1U) << "decoded once";
  }
  fs::remove(link);
  write("later.png", 1, 2, 3);
  fs::create_symlink("../../later.png", link);
  EXPECT_EQ(open()->size(), 4);
  EXPECT_THAT(notes_, ElementsAre(HasSubstr("decoding the 7 images")));
}

TEST_F(CachedFolder, PackedSaysAgainWhatWasLeftOut) {
  folder_.write("pictures/train/blue/3.png", "no image");
  options_.broken_files = BrokenFiles::skip;
  const fs::path packed = folder_.path() / "packed";
  {
    const auto train = open();
    EXPECT_THAT(train->left_out(), ElementsAre(HasSubstr("blue/3.png: no PNG, JPEG or PPM image")));
    pack(packed, *train, *open(Split::test));
  }
  EXPECT_EQ(open_packed(packed, Split::train)->file_name(2), "train/red/1.png");
  notes_.clear();
  DatasetOptions options{.name = "packed", .path = packed, .limit = 2};
  options.note = options_.note;
  const auto again = open_dataset(options, Split::train);
  EXPECT_THAT(again->left_out(), ElementsAre(HasSubstr("blue/3.png: no PNG, JPEG or PPM image")));
  EXPECT_THAT(notes_, ElementsAre(AllOf(HasSubstr("left out 1 broken file of " + packed.string() + ": "),
                                        HasSubstr("blue/3.png"))));
}

TEST_F(CachedFolder, AsksForASizeWhenTheImagesHaveSeveral) {
  write("train/blue/1.png", 1, 2, 3, 6, 4);
  EXPECT_THAT(refusal(ErrorKind::usage), HasSubstr("blue/1.png: 6 x 4 pixels: give --image-size"));
  EXPECT_THAT(notes_, IsEmpty());
  EXPECT_FALSE(fs::exists(options_.cache));
  write("train/blue/1.png", 1, 2, 3);
  write("train/red/1.png", 1, 2, 3, 6, 6);
  EXPECT_THAT(refusal(ErrorKind::usage),
              AllOf(HasSubstr("red/1.png: 6 x 6 pixels, others have 4 x 4"), HasSubstr("--image-size")));
  options_.image_size = 5;
  EXPECT_EQ(open()->image_size(), 5);
}

TEST_F(CachedFolder, SaysWhenNothingIsWhole) {
  for (const char* file : {"train/blue/1.png", "train/blue/2.png", "train/red/1.png", "test/blue/1.png",
                           "test/blue/2.png", "test/red/1.png"})
    folder_.write(fs::path("pictures") / file, "");
  EXPECT_THAT(refusal(), HasSubstr("not one of its 6 images can be decoded"));
}

TEST_F(CachedFolder, SaysWhatToDoWhenTheCacheCannotBeMade) {
  options_.cache = folder_.write("a-file", "x") / "cache";
  EXPECT_THAT(refusal(), AllOf(HasSubstr("a-file"), HasSubstr("give --data-cache")));
}

TEST_F(CachedFolder, LeavesNothingBehindOnAFullDisk) {
  {
    const FileSizeLimit limit(64);
    EXPECT_THAT(refusal(), HasSubstr("can't hold 288 bytes of decoded images"));
  }
  EXPECT_TRUE(fs::is_empty(options_.cache));
}

TEST_F(CachedFolder, ClearsAwayWhatKilledDecodingsHaveLeft) {
  const std::string cache = cache_file(options_).filename();
  folder_.write("cache/.convmixer-0123456789abcdef.part", "half");
  const fs::path old = folder_.write("cache/" + cache + ".1.part", "half, of an earlier release");
  folder_.write("cache/" + cache + ".2.part", "the same, perhaps still written to");
  folder_.write("cache/film.part", "somebody's");
  fs::last_write_time(old, fs::file_time_type::clock::now() - std::chrono::hours(25));
  (void)open();
  const auto is_there = [&](const std::string& name) { return fs::exists(options_.cache / name); };
  EXPECT_FALSE(is_there(".convmixer-0123456789abcdef.part"));
  EXPECT_FALSE(is_there(cache + ".1.part"));
  EXPECT_TRUE(is_there(cache + ".2.part"));
  EXPECT_TRUE(is_there("film.part"));
  EXPECT_TRUE(is_there(cache));
}

// Processes of one number, as those of containers are, that have one cache: threads have one, too.
TEST_F(CachedFolder, IsDecodedBySeveralAtOnce) {
  std::vector<std::jthread> threads;
  std::array<std::int64_t, 3> sizes{};
  options_.note = {};
  options_.threads = 1;
  for (std::int64_t& size : sizes) threads.emplace_back([&] { size = open_dataset(options_, Split::train)->size(); });
  threads.clear();
  EXPECT_THAT(sizes, testing::Each(3));
  EXPECT_EQ(std::distance(fs::directory_iterator(options_.cache), {}), 1);
}

TEST_F(CachedFolder, TakesTheLongestNameThatAFolderCanHave) {
  const auto open_as = [&](const std::string& name) {
    fs::rename(options_.path, folder_.path() / name);
    options_.path = folder_.path() / name;
    EXPECT_EQ(open()->size(), 3);
    return cache_file(options_).filename().string();
  };
  EXPECT_EQ(open_as(std::string(230, 'a')).substr(0, 231), std::string(230, 'a') + "-");
  EXPECT_EQ(open_as(std::string(255, 'b')).substr(0, 231), std::string(230, 'b') + "-");
  std::string umlauts(1, 'c');
  for (int i = 0; i < 127; ++i) umlauts += "\xc3\xbc";
  EXPECT_EQ(open_as(umlauts).substr(0, 230), umlauts.substr(0, 229) + "-");
}

TEST_F(CachedFolder, KeepsItsCacheWhereTheUsersCachesAre) {
  options_.cache.clear();
  const EnvironmentVariable cache("XDG_CACHE_HOME", (folder_.path() / "xdg").string());
  EXPECT_EQ(cache_file(options_).parent_path(), folder_.path() / "xdg" / "convmixer");
  const EnvironmentVariable none("XDG_CACHE_HOME");
  const EnvironmentVariable home("HOME", (folder_.path() / "home").string());
  EXPECT_EQ(cache_file(options_).parent_path(), folder_.path() / "home" / ".cache" / "convmixer");
}

TEST_F(CachedFolder, TakesItsNameFromTheFolder) {
  EXPECT_THAT(cache_file(options_).filename().string(), testing::MatchesRegex("pictures-[0-9a-f]{12}.safetensors"));
}

DecodedImage ramp(int width, int height) {
  DecodedImage image{width, height, {}};
  for (int c = 0; c < 3; ++c)
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x) image.pixels.push_back(static_cast<std::uint8_t>(c * 80 + y * 10 + x));
  return image;
}

std::vector<std::uint8_t> fitted(const DecodedImage& image, int size, Fit fit) {
  std::vector<std::uint8_t> out(3 * static_cast<std::size_t>(size * size));
  fit_image(image, size, fit, out);
  return {out.begin(), out.begin() + size * size};
}

TEST(FitImage, LeavesAnImageOfTheSizeAlone) {
  EXPECT_THAT(fitted(ramp(2, 2), 2, Fit::crop), ElementsAre(0, 1, 10, 11));
  EXPECT_THAT(fitted(ramp(2, 2), 2, Fit::stretch), ElementsAre(0, 1, 10, 11));
}

TEST(FitImage, CutsTheMiddleOutOfTheLongerSide) {
  EXPECT_THAT(fitted(ramp(6, 2), 2, Fit::crop), ElementsAre(2, 3, 12, 13));
  EXPECT_THAT(fitted(ramp(2, 6), 2, Fit::crop), ElementsAre(20, 21, 30, 31));
  // Half a pixel goes to the even side, as Python rounds: (5 - 2) / 2 is 2, (3 - 2) / 2 is 0.
  EXPECT_THAT(fitted(ramp(5, 2), 2, Fit::crop), ElementsAre(2, 3, 12, 13));
  EXPECT_THAT(fitted(ramp(3, 2), 2, Fit::crop), ElementsAre(0, 1, 10, 11));
}

TEST(FitImage, StretchesByChoice) {
  // Pillow 11: Image.resize((2, 2), BILINEAR) of the 6 x 2 ramp.
  EXPECT_THAT(fitted(ramp(6, 2), 2, Fit::stretch), ElementsAre(1, 4, 11, 14));
}

TEST(FitImage, RefusesStrips) {
  std::vector<std::uint8_t> out(12);
  EXPECT_THAT(error_of([&] { fit_image(ramp(101, 2), 2, Fit::crop, out); }).what(),
              HasSubstr("101 x 2 pixels, expected sides of at most 50 to 1"));
}

}  // namespace
}  // namespace convmixer
