#include "data/sources/image_folder.hpp"

#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace convmixer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::error_of;
using testing_support::TemporaryFolder;

std::vector<std::string> paths(const std::vector<ListedImage>& images) {
  std::vector<std::string> result;
  for (const ListedImage& image : images) result.push_back(image.path);
  return result;
}

ImageListing list(const TemporaryFolder& folder, TestChoice choice = TestChoice::name) {
  DatasetOptions options;
  options.path = folder.path();
  options.test_choice = choice;
  return list_image_folder(options);
}

std::string refusal_of(const TemporaryFolder& folder) {
  return error_of([&] { (void)list(folder); }).what();
}

TEST(ImageFolder, WithTrainAndTestIsSplitByThem) {
  const TemporaryFolder folder;
  for (const char* file : {"train/dog/b.PNG", "train/dog/a.jpeg", "train/cat/1.jpg", "test/cat/9.png"})
    folder.write(file, "1234");
  const ImageListing listing = list(folder);
  EXPECT_THAT(listing.class_names, ElementsAre("cat", "dog"));
  EXPECT_THAT(paths(listing.train), ElementsAre("train/cat/1.jpg", "train/dog/a.jpeg", "train/dog/b.PNG"));
  EXPECT_EQ(listing.train[0].label, 0);
  EXPECT_EQ(listing.train[1].label, 1);
  EXPECT_EQ(listing.train[1].size, 4);
  EXPECT_THAT(paths(listing.test), ElementsAre("test/cat/9.png"));
}

TEST(ImageFolder, OfClassesAloneGivesATenthOfEachToTheTest) {
  const TemporaryFolder folder;
  for (int i = 0; i < 50; ++i) folder.write("a/" + std::to_string(i) + ".png", "1");
  for (int i = 0; i < 3; ++i) folder.write("b/" + std::to_string(i) + ".png", "1");
  folder.write("c/only.png", "1");
  const ImageListing listing = list(folder);
  const auto of_class = [](const std::vector<ListedImage>& images, int label) {
    return std::ranges::count(images, label, &ListedImage::label);
  };
  EXPECT_EQ(of_class(listing.train, 0), 45);
  EXPECT_EQ(of_class(listing.test, 0), 5);
  EXPECT_EQ(of_class(listing.train, 1), 2);
  EXPECT_EQ(of_class(listing.test, 1), 1);
  EXPECT_EQ(of_class(listing.train, 2), 1);
  std::set<std::string> all;
  for (const auto* images : {&listing.train, &listing.test})
    for (const ListedImage& image : *images) all.insert(image.path);
  EXPECT_EQ(all.size(), 54U);
  EXPECT_TRUE(std::ranges::is_sorted(paths(listing.test)));
}

TEST(ImageFolder, SplitsTheSameEverywhereAndHardlyChangesItWithTheFiles) {
  const TemporaryFolder folder;
  for (int i = 0; i < 100; ++i) folder.write("a/" + std::to_string(i) + ".png", "1");
  folder.write("b/1.png", "1");
  const auto before = paths(list(folder).test);
  // A part of the promise: another machine, another year, the same split.
  EXPECT_THAT(before, testing::Contains("a/41.png"));
  EXPECT_THAT(paths(list(folder, TestChoice::path).test), testing::Contains("a/42.png"));
  for (int i = 100; i < 110; ++i) folder.write("a/" + std::to_string(i) + ".png", "1");
  const auto after = paths(list(folder).test);
  EXPECT_EQ(after.size(), 11U);
  const auto stayed =
      std::ranges::count_if(before, [&](const auto& path) { return std::ranges::count(after, path) == 1; });
  EXPECT_GE(stayed, 8);
}

TEST(ImageFolder, AClassKeepsItsTestImagesUnderAnotherName) {
  for (const std::string below : {"", "train/"}) {
    const TemporaryFolder folder;
    for (int i = 0; i < 40; ++i)
      for (const char* name : {"apple", "leaf"})
        folder.write(below + name + "/deeper/" + std::to_string(i) + ".png", std::to_string(i));
    const auto before = paths(list(folder).test);
    ASSERT_EQ(before.size(), 8U);
    std::filesystem::rename(folder.path() / below / "apple", folder.path() / below / "red");
    auto after = paths(list(folder).test);
    for (std::string& path : after)
      if (const std::size_t at = path.find("red/"); at != std::string::npos) path.replace(at, 3, "apple");
    EXPECT_THAT(after, testing::UnorderedElementsAreArray(before));
  }
}

TEST(ImageFolder, WithTrainAloneIsSplitLikewise) {
  const TemporaryFolder folder;
  for (int i = 0; i < 20; ++i) {
    folder.write("train/a/" + std::to_string(i) + ".png", "1");
    folder.write("train/b/" + std::to_string(i) + ".png", "1");
  }
  const ImageListing listing = list(folder);
  EXPECT_THAT(listing.class_names, ElementsAre("a", "b"));
  EXPECT_EQ(listing.test.size(), 4U);
}

TEST(ImageFolder, TrainMayBeAClassAmongOthers) {
  const TemporaryFolder folder;
  for (const char* name : {"boat", "train"})
    for (int i = 0; i < 3; ++i) folder.write(std::filesystem::path(name) / (std::to_string(i) + ".png"), "1");
  EXPECT_THAT(list(folder).class_names, ElementsAre("boat", "train"));
}

TEST(ImageFolder, LooksIntoFurtherFoldersAndLeavesOtherFilesOut) {
  const TemporaryFolder folder;
  for (const char* file : {"a/x/y/1.png", "a/notes.txt", "a/.hidden.png", "a/.thumbnails/1.png", "a/2.png", "b/1.gif",
                           "b/2.png", "b/Thumbs.db", "labels.csv"})
    folder.write(file, "1");
  ImageListing listing = list(folder);
  auto all = paths(listing.train);
  for (const auto& path : paths(listing.test)) all.push_back(path);
  EXPECT_THAT(listing.notes, ElementsAre(HasSubstr("left out 1 file, no image by its name: 1 .txt")));
  // A GIF is listed so that it can be refused by name.
  EXPECT_THAT(all, testing::UnorderedElementsAre("a/2.png", "a/x/y/1.png", "b/1.gif", "b/2.png"));
}

TEST(ImageFolder, TakesEveryUsualEndingInAnyCaseAndCountsTheOthers) {
  const TemporaryFolder folder;
  for (const char* file : {"a/1.JPE", "a/2.jfif", "a/3.Jpg", "a/4.PPM", "a/5.pgm", "a/6.pnm", "a/7.HEIC", "a/8.jpg",
                           "a/9.jpg_large", "a/10.jpg_large", "a/11", "b/1.png", "b/2.png", "b/12.txt"})
    folder.write(file, "1");
  const ImageListing listing = list(folder);
  EXPECT_EQ(listing.train.size() + listing.test.size(), 10U);
  EXPECT_THAT(listing.notes, ElementsAre(HasSubstr("left out 4 files, no images by their names: 1 without an ending, "
                                                   "2 .jpg_large, 1 .txt")));
}

TEST(ImageFolder, OfRunsAndCachesIsNoClass) {
  const TemporaryFolder folder;
  for (const char* file : {"a/1.png", "b/1.png", "runs/first/config.ini", "runs/first/.lock", "runs/first/sheet.png",
                           "runs/second/x/config.ini", "runs/second/x/metrics.jsonl", "out/.lock", "__MACOSX/a/._1.png",
                           "@eaDir/1.png", "a/runs/config.ini", "a/runs/.lock", "a/runs/2.png"})
    folder.write(file, "1");
  folder.write("cache/photos.safetensors", std::string("\1\0\0\0\0\0\0\0{", 9));
  const ImageListing listing = list(folder);
  EXPECT_THAT(listing.class_names, ElementsAre("a", "b"));
  EXPECT_EQ(listing.train.size() + listing.test.size(), 2U);
  folder.write("runs/cat.png", "1");  // a folder of images that happens to hold a run as well
  EXPECT_THAT(list(folder).class_names, ElementsAre("a", "b", "runs"));
}

TEST(ImageFolder, NamesAClassWithoutImages) {
  const TemporaryFolder folder;
  for (const char* file : {"train/a/1.png", "train/b/readme.txt", "test/a/1.png"}) folder.write(file, "1");
  EXPECT_THAT(refusal_of(folder), HasSubstr("class 'b' has no images to train on"));
}

TEST(ImageFolder, NamesAClassThatOnlyTheTestHas) {
  const TemporaryFolder folder;
  for (const char* file : {"train/a/1.png", "train/b/1.png", "val/a/1.png", "val/c/1.png"}) folder.write(file, "1");
  EXPECT_THAT(refusal_of(folder), HasSubstr("class 'c' is in val, but not in train"));
}

TEST(ImageFolder, NeedsTwoClasses) {
  const TemporaryFolder folder;
  EXPECT_THAT(refusal_of(folder), HasSubstr("found 0 class folders, expected at least 2"));
  folder.write("a/1.png", "1");
  EXPECT_THAT(refusal_of(folder), HasSubstr("found 1 class folder, expected at least 2"));
}

TEST(ImageFolder, RefusesLinksThatGoInCircles) {
  const TemporaryFolder folder;
  folder.write("a/1.png", "1");
  folder.write("b/1.png", "1");
  std::filesystem::create_directory_symlink("..", folder.path() / "b" / "up");
  EXPECT_THAT(refusal_of(folder), HasSubstr("folders deep"));
}

TEST(ImageFolder, NamesALinkToNothing) {
  const TemporaryFolder folder;
  folder.write("a/1.png", "1");
  folder.write("b/1.png", "1");
  std::filesystem::create_symlink("nowhere", folder.path() / "b" / "2.png");
  EXPECT_THAT(refusal_of(folder), HasSubstr("b/2.png: can't be read: No such file or directory"));
}

TEST(ImageFolder, IsRecognisedByItsFolders) {
  const TemporaryFolder folder;
  EXPECT_FALSE(looks_like_image_folder(folder.path()));
  folder.write("a/notes.txt", "1");
  EXPECT_FALSE(looks_like_image_folder(folder.path()));
  folder.write("b/1.png", "1");
  EXPECT_TRUE(looks_like_image_folder(folder.path()));
}

}  // namespace
}  // namespace convmixer
