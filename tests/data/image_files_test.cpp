#include "convmixer/data/image_files.hpp"

#include "convmixer/core/error.hpp"
#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"
#include "support/time_limit.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/stat.h>

namespace convmixer {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing_support::error_of;
using testing_support::TemporaryFolder;

TEST(ListImages, FindsImagesInAllFoldersBelowByTheirPaths) {
  const TemporaryFolder folder;
  for (const char* name : {"b.png", "a/z.JPEG", "a/b/c.ppm", "a.jpg", "Z.gif", ".hidden.png", ".thumbs/a.png"})
    folder.write(name, "");
  const std::string at = folder.path().string();
  const ImageFolder found = list_images(folder.path());
  EXPECT_THAT(found.paths,
              ElementsAre(at + "/Z.gif", at + "/a.jpg", at + "/a/b/c.ppm", at + "/a/z.JPEG", at + "/b.png"));
  EXPECT_EQ(found.left_out, "");
  EXPECT_EQ(list_images(folder.path() / "").paths.front(), at + "/Z.gif");
}

TEST(ListImages, CountsFilesOfOtherNamesAndPassesOverRunsAndWhatIsNoFile) {
  const TemporaryFolder folder;
  for (const char* name : {"a.png", "notes.txt", "b/c.txt", "b/README", "b/Thumbs.db", "run/config.ini",
                           "run/metrics.jsonl", "run/sheet.png"})
    folder.write(name, "");
  ASSERT_EQ(::mkfifo((folder.path() / "pipe.png").c_str(), 0600), 0);
  fs::create_symlink("nothing", folder.path() / "link.png");
  const std::string at = folder.path().string();
  const ImageFolder found = list_images(folder.path());
  EXPECT_THAT(found.paths, ElementsAre(at + "/a.png", at + "/link.png"));  // who reads it will say that it is broken
  EXPECT_EQ(found.left_out, at + ": left out 3 files, no images by their names: 1 without an ending, 2 .txt");
}

TEST(ListImages, RefusesAFolderWithoutImages) {
  const TemporaryFolder folder;
  const std::string at = folder.path().string();
  EXPECT_EQ(error_of([&] { (void)list_images(folder.path()); }).what(), at + ": no image in this folder");
  folder.write("a.txt", "");
  EXPECT_EQ(error_of([&] { (void)list_images(folder.path()); }).what(),
            at + ": no image in this folder: left out 1 file, no image by its name: 1 .txt");
  folder.write("config.ini", "");
  folder.write("metrics.jsonl", "");
  EXPECT_EQ(error_of([&] { (void)list_images(folder.path()); }).what(),
            at + ": the folder of a run, expected images or folders of images");
}

TEST(ListImages, EndsWhereLinksGoInCircles) {
  const TemporaryFolder folder;
  folder.write("a/b.png", "");
  fs::create_directory_symlink("..", folder.path() / "a/up");
  EXPECT_THAT(error_of([&] { (void)list_images(folder.path()); }).what(),
              testing::HasSubstr("more than 16 folders deep"));
}

TEST(ListImages, LooksOnceIntoAFolderWithoutImagesHoweverManyLinksLeadThere) {
  const testing_support::TimeLimit limit(60);
  const TemporaryFolder folder;
  folder.write("a.png", "");
  constexpr int kFolders = 14;
  folder.write(std::to_string(kFolders) + "/a.txt", "");
  for (int i = 0; i < kFolders; ++i) {  // 4^14 ways to the last one
    const fs::path from = folder.path() / std::to_string(i);
    fs::create_directory(from);
    for (const char* name : {"a", "b", "c", "d"})
      fs::create_directory_symlink(fs::path("..") / std::to_string(i + 1), from / name);
  }
  const std::string at = folder.path().string();
  const ImageFolder found = list_images(folder.path());
  EXPECT_THAT(found.paths, ElementsAre(at + "/a.png"));
  EXPECT_EQ(found.left_out, at + ": left out 1 file, no image by its name: 1 .txt");
}

TEST(RequireFile, TakesFilesAlone) {
  const TemporaryFolder folder;
  EXPECT_NO_THROW(require_file(folder.write("a", "")));
  const std::string at = folder.path().string();
  EXPECT_EQ(error_of([&] { require_file(folder.path() / "b"); }).what(),
            at + "/b: can't be opened: No such file or directory");
  EXPECT_STREQ(error_of([] { require_file("/dev/null"); }).what(),
               "/dev/null: expected a file or a folder, found something else");
}

}  // namespace
}  // namespace convmixer
