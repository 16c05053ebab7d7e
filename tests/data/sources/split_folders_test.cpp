#include "data/sources/split_folders.hpp"

#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace convmixer {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing_support::error_of;
using testing_support::TemporaryFolder;

/// Splits with an image of each of two classes.
class SplitFoldersTest : public testing::Test {
 protected:
  SplitFoldersTest() { options_.path = folder_.path(); }

  void add_split(const std::string& name) const {
    for (const char* file : {"cat/1.png", "dog/1.png"}) folder_.write(std::filesystem::path(name) / file, "1");
  }
  void expect(const std::string& train, const std::string& test) const {
    const SplitFolders found = split_folders(options_);
    EXPECT_EQ(found.train, train);
    EXPECT_EQ(found.test, test);
  }
  [[nodiscard]] std::vector<std::string> notes() const { return split_folders(options_).notes; }

  TemporaryFolder folder_;
  DatasetOptions options_;
};

TEST_F(SplitFoldersTest, HaveVariousNamesInAnyCase) {
  for (const char* train : {"train", "Training", "TRN"}) {
    for (const char* test : {"val", "Valid", "validation", "EVAL", "Test", "testing"}) {
      const TemporaryFolder folder;
      for (const char* split : {train, test}) folder.write(std::filesystem::path(split) / "cat" / "1.png", "1");
      options_.path = folder.path();
      expect(train, test);
      EXPECT_THAT(notes(), IsEmpty());
    }
  }
}

TEST_F(SplitFoldersTest, WithValAndTestLeaveTestAloneAndSaySo) {
  for (const char* split : {"train", "val", "test"}) add_split(split);
  expect("train", "val");
  EXPECT_THAT(notes(),
              ElementsAre(AllOf(HasSubstr("the test images are those of val;"), HasSubstr("--test-folder test"))));
  options_.test_folder = "test";
  expect("train", "test");
  EXPECT_THAT(notes(), IsEmpty());
}

TEST_F(SplitFoldersTest, OfEarlierReleasesRunsPreferTest) {
  for (const char* split : {"train", "val", "test"}) add_split(split);
  options_.test_choice = TestChoice::path;
  expect("train", "test");
}

TEST_F(SplitFoldersTest, WithoutLabelsArePassedOver) {
  add_split("train");
  folder_.write("test/1.png", "1");
  expect("train", "");
  EXPECT_THAT(notes(), ElementsAre(HasSubstr("test has no class folders: a tenth of train is set aside for the test")));
  add_split("val");
  expect("train", "val");
  EXPECT_THAT(notes(),
              ElementsAre(HasSubstr("the test images are those of val; test has no folders of train's classes")));
}

TEST_F(SplitFoldersTest, WithoutAnyLabelsInValLeaveTest) {
  add_split("train");
  add_split("test");
  folder_.write("val/1.png", "1");
  expect("train", "test");
  EXPECT_EQ(notes().size(), 1U);
}

TEST_F(SplitFoldersTest, CanBeNamed) {
  for (const char* split : {"mine", "fold/1", "train", "val"}) add_split(split);
  options_.train_folder = "mine";
  expect("mine", "val");
  options_.test_folder = "fold/1";
  expect("mine", "fold/1");
  options_.train_folder.clear();
  expect("train", "fold/1");
}

TEST_F(SplitFoldersTest, NamedForTheTestMayLieBesideTheClasses) {
  for (const char* split : {".", "held-out"}) add_split(split);
  options_.test_folder = "held-out";
  EXPECT_THAT(error_of([&] { (void)split_folders(options_); }).what(), HasSubstr("--train-folder names it"));
  options_.train_folder = ".";
  expect("", "held-out");
}

TEST_F(SplitFoldersTest, HandOverThoseThatAreLeftAlone) {
  for (const char* split : {"train", "val", "test"}) add_split(split);
  EXPECT_THAT(split_folders(options_).others, ElementsAre("test"));
  options_.test_folder = "test";
  EXPECT_THAT(split_folders(options_).others, ElementsAre("val"));
  options_.test_folder = "train";
  EXPECT_THAT(split_folders(options_).others, ElementsAre("val", "test"));
}

TEST_F(SplitFoldersTest, NamedForTrainingIsNotTheTest) {
  for (const char* split : {"val", "test"}) add_split(split);
  for (const char* name : {"val", "./val/"}) {
    options_.train_folder = name;
    expect(name, "test");
    EXPECT_THAT(notes(), IsEmpty());
  }
}

TEST_F(SplitFoldersTest, ThatAreNotThereAreNamedWithThoseThatAre) {
  for (const char* split : {"train", "val"}) add_split(split);
  options_.test_folder = "vla";
  const Error error = error_of([&] { (void)split_folders(options_); });
  EXPECT_EQ(error.kind(), ErrorKind::usage);
  EXPECT_THAT(error.what(), AllOf(HasSubstr("--test-folder vla"), HasSubstr("it has train, val")));
}

}  // namespace
}  // namespace convmixer
