#include "data/sources/image_folder.hpp"

#include "data/sources/class_folders.hpp"
#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"
#include "support/time_limit.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <utility>

namespace convmixer {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing_support::error_of;
using testing_support::TemporaryFolder;
using testing_support::TimeLimit;

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
    fs::rename(folder.path() / below / "apple", folder.path() / below / "red");
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
    for (int i = 0; i < 3; ++i) folder.write(fs::path(name) / (std::to_string(i) + ".png"), "1");
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

/// Classes of an image each and, beside them, folders of the same classes.
class ImageFolderBesideSplits : public testing::Test {
 protected:
  ImageFolderBesideSplits() {
    options_.path = folder_.path();
    options_.train_folder = ".";
    for (const char* split : {".", "val", "test"}) add_split(split);
  }
  void add_split(const std::string& name) const {
    for (const char* file : {"cat/1.png", "dog/1.png"}) folder_.write(fs::path(name) / file, "1");
  }
  /// Its training images are the classes' own, and its test images those of that folder.
  void expect_test(const std::string& test) {
    const ImageListing listing = list_image_folder(options_);
    EXPECT_THAT(listing.class_names, ElementsAre("cat", "dog"));
    EXPECT_THAT(paths(listing.train), ElementsAre(EndsWith("cat/1.png"), EndsWith("dog/1.png")));
    EXPECT_THAT(paths(listing.test), ElementsAre(test + "/cat/1.png", test + "/dog/1.png"));
    notes_ = listing.notes;
  }

  TemporaryFolder folder_;
  DatasetOptions options_;
  std::vector<std::string> notes_;
};

TEST_F(ImageFolderBesideSplits, TrainsOnNoTestImages) {
  expect_test("val");
  EXPECT_THAT(notes_, ElementsAre(HasSubstr("test is left alone until --test-folder test asks for it")));
  options_.test_choice = TestChoice::path;
  expect_test("test");
}

TEST_F(ImageFolderBesideSplits, TrainsOnNoTestImagesInANamedFolder) {
  for (const char* test : {"test", "held", "held/out", "held/out/again"}) {
    add_split(test);
    options_.test_folder = test;
    expect_test(test);
  }
  EXPECT_THAT(notes_, ElementsAre(HasSubstr(": val is left alone: its name is that of a test, not of a class"),
                                  HasSubstr(": test is left alone: ")));
}

TEST_F(ImageFolderBesideSplits, TrainsOnNoTestImagesWhateverTheirFolderIsCalled) {
  options_.test_folder = "./test/";
  EXPECT_THAT(list_image_folder(options_).class_names, ElementsAre("cat", "dog"));
  options_.test_folder = (folder_.path() / "test").string();
  expect_test(options_.test_folder);
  fs::create_directory_symlink("test", folder_.path() / "linked");
  options_.test_folder = "linked";
  expect_test("linked");
  options_.train_folder = folder_.path().string();
  expect_test("linked");
  options_.test_folder.clear();
  expect_test("val");
}

TEST_F(ImageFolderBesideSplits, TrainsOnNoTestImagesBelowThoseOfTraining) {
  for (const char* split : {"mine", "mine/held"}) add_split(split);
  options_.train_folder = "mine";
  options_.test_folder = "mine/held";
  expect_test("mine/held");
}

TEST(ImageFolder, KeepsAClassOfTheTestWhateverItIsCalled) {
  const TemporaryFolder folder;
  for (const char* name : {"cat", "dog", "valid"})
    for (const fs::path place : {".", "held"}) folder.write(place / name / "1.png", "1");
  DatasetOptions options;
  options.path = folder.path();
  options.train_folder = ".";
  options.test_folder = "held";
  EXPECT_THAT(list_image_folder(options).class_names, ElementsAre("cat", "dog", "valid"));
}

TEST(ImageFolder, KeepsAClassWithATestsNameWhereElseThereWouldBeOneClass) {
  const TemporaryFolder folder;
  for (const char* file : {"valid/1.png", "valid/2.png", "invalid/1.png", "invalid/2.png"}) folder.write(file, "1");
  DatasetOptions options;
  options.path = folder.path();
  options.train_folder = ".";
  EXPECT_THAT(list_image_folder(options).class_names, ElementsAre("invalid", "valid"));
}

TEST_F(ImageFolderBesideSplits, LeavesImagesWithoutLabelsAlone) {
  for (const char* split : {"val", "test"}) {
    fs::remove_all(folder_.path() / split);
    folder_.write(fs::path(split) / "1.png", "1");
  }
  for (const char* file : {"cat/2.png", "dog/2.png"}) folder_.write(file, "2");
  const ImageListing listing = list_image_folder(options_);
  EXPECT_THAT(listing.class_names, ElementsAre("cat", "dog"));
  EXPECT_EQ(listing.test.size(), 2U);
  EXPECT_THAT(listing.notes,
              ElementsAre(HasSubstr("val and test have no class folders: a tenth of the others is set aside")));
}

TEST(ImageFolder, RefusesLinksThatGoInCircles) {
  const TemporaryFolder folder;
  folder.write("a/1.png", "1");
  folder.write("b/1.png", "1");
  fs::create_directory_symlink("..", folder.path() / "b" / "up");
  EXPECT_THAT(refusal_of(folder), HasSubstr("folders deep"));
}

TEST(ImageFolder, ListsALinkToNothingWithoutSizeAndTimes) {
  const TemporaryFolder folder;
  for (const char* file : {"train/a/1.png", "train/b/1.png", "val/a/1.png"}) folder.write(file, "1");
  fs::create_symlink("nowhere", folder.path() / "train/b/2.png");
  const ImageListing listing = list(folder);
  ASSERT_THAT(paths(listing.train), ElementsAre("train/a/1.png", "train/b/1.png", "train/b/2.png"));
  EXPECT_GT(listing.train[1].modified, 0);
  EXPECT_EQ(listing.train[2].label, 1);
  EXPECT_EQ(listing.train[2].size, 0);
  EXPECT_EQ(listing.train[2].modified, 0);
  EXPECT_EQ(listing.train[2].changed, 0);
}

TEST(ImageFolder, LooksIntoAFolderOnceHoweverManyLinksLeadThere) {
  const TimeLimit limit(60);
  const TemporaryFolder folder;
  for (const char* file : {"a/1.png", "b/1.png", "runs/x/config.ini", "runs/x/.lock", "notes/1.txt"})
    folder.write(file, "1");
  for (const char* name : {"runs", "notes"})
    for (const char* link : {"1", "2", "3"}) fs::create_directory_symlink(".", folder.path() / name / link);
  EXPECT_TRUE(looks_like_image_folder(folder.path()));
  EXPECT_THAT(refusal_of(folder), HasSubstr("notes/1/1/1"));  // no run: a class, whose images are looked for
  fs::remove_all(folder.path() / "notes");
  EXPECT_THAT(list(folder).class_names, ElementsAre("a", "b"));
}

TEST(ImageFolder, TakesAFoldersImagesForEveryLinkThatLeadsThere) {
  const TemporaryFolder folder;
  folder.write("a/1.png", "1");
  fs::create_directory(folder.path() / "b");
  for (const char* link : {"1", "2"}) fs::create_directory_symlink("../a", folder.path() / "b" / link);
  const ImageListing listing = list(folder);
  EXPECT_THAT(listing.class_names, ElementsAre("a", "b"));
  EXPECT_EQ(listing.train.size() + listing.test.size(), 3U);
}

TEST(ImageFolder, LooksAgainWhereALinkLedThereTooDeepBefore) {
  for (const auto& [linking, holding] : {std::pair{"a", "b"}, std::pair{"b", "a"}}) {  // whichever is read first
    const TemporaryFolder folder;
    folder.write(fs::path(holding) / "deeper" / "1.png", "1");
    fs::create_directory(folder.path() / linking);
    fs::create_directory_symlink(fs::path("..") / holding, folder.path() / linking / "link");
    EXPECT_TRUE(holds_images(folder.path(), 2));
    EXPECT_FALSE(holds_images(folder.path(), 1));
  }
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
