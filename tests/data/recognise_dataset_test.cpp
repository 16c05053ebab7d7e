#include "convmixer/data/open_dataset.hpp"
#include "data/sources/cifar_pickles.hpp"
#include "support/archive_bytes.hpp"
#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"
#include "support/time_limit.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/stat.h>

namespace convmixer {
namespace {

using testing::HasSubstr;
using namespace testing_support;

TEST(RecogniseDataset, WithoutAPathIsTheBuiltInOne) { EXPECT_EQ(recognise_dataset(std::filesystem::path()), "shapes"); }

TEST(RecogniseDataset, TellsTheCifarsByTheirFiles) {
  const TemporaryFolder folder;
  write_cifar10(folder, "ten/cifar-10-batches-bin");
  write_cifar100(folder, "hundred/cifar-100-binary");
  folder.write("ten-py/data_batch_1", python2_cifar10({1}));
  folder.write("hundred-py/cifar-100-python/train", python2_cifar100({{1, 2}}));
  EXPECT_EQ(recognise_dataset(folder.path() / "ten"), "cifar10");
  EXPECT_EQ(recognise_dataset(folder.path() / "ten" / "cifar-10-batches-bin"), "cifar10");
  EXPECT_EQ(recognise_dataset(folder.path() / "ten-py"), "cifar10");
  EXPECT_EQ(recognise_dataset(folder.path() / "hundred"), "cifar100");
  EXPECT_EQ(recognise_dataset(folder.path() / "hundred-py"), "cifar100");
}

TEST(RecogniseDataset, TakesAFileBesideClassFoldersForNoPickle) {
  const TemporaryFolder folder;
  for (const char* name : {"a/1.ppm", "b/1.ppm"}) folder.write(name, "P6 1 1 255\nabc");
  for (const char* text : {"a list of images\n", ""}) {
    folder.write("train", text);
    folder.write("test", text);
    EXPECT_EQ(recognise_dataset(folder.path()), "folder");
  }
}

TEST(RecogniseDataset, WaitsForNoPipe) {
  const TemporaryFolder folder;
  const std::filesystem::path pipe = folder.path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const TimeLimit limit(10);
  EXPECT_THAT(error_of([&] { (void)recognise_dataset(pipe); }).what(),
              HasSubstr("pipe: expected a file, found something else"));
}

TEST(RecogniseDataset, TellsArchivesByWhatIsInThemNotByTheirNames) {
  const TemporaryFolder folder;
  const auto ten = folder.write("cifar-100.zip", archive_bytes({{"x/readme", "?"}, {"x/data_batch_2", "?"}}, "tar.gz"));
  const auto hundred = folder.write("cifar-10.tar.gz", archive_bytes({{"train.bin", "?"}}, "zip"));
  EXPECT_EQ(recognise_dataset(ten), "cifar10");
  EXPECT_EQ(recognise_dataset(hundred), "cifar100");
}

TEST(RecogniseDataset, FindsADownloadedArchiveInAFolder) {
  const TemporaryFolder folder;
  folder.write("cifar-100-python.tar.gz", "?");
  EXPECT_EQ(recognise_dataset(folder.path()), "cifar100");
}

TEST(RecogniseDataset, NamesWhatItDoesNotKnow) {
  const TemporaryFolder folder;
  folder.write("notes.txt", "?");
  const auto archive = folder.write("x.tar", archive_bytes({{"notes.txt", "?"}}, "tar"));
  const auto message = [](const std::filesystem::path& path) {
    return std::string(error_of([&] { (void)recognise_dataset(path); }).what());
  };
  EXPECT_THAT(message(folder.path()), HasSubstr(folder.path().string() + ": no data set that is known"));
  EXPECT_THAT(message(archive), HasSubstr(archive.string() + ": no data set that is known"));
  EXPECT_THAT(message(folder.path() / "none"), HasSubstr("none: no such file or folder"));
}

TEST(OpenDataset, RecognisesWhatItOpensUnlessToldTheName) {
  const TemporaryFolder folder;
  write_cifar100(folder, ".");
  EXPECT_EQ(open_dataset({.path = folder.path(), .allow_partial = true}, Split::train)->classes(), 100);
  EXPECT_EQ(open_dataset({.limit = 3}, Split::train)->class_names().front(), "circle");
  write_cifar10(folder, ".");
  EXPECT_EQ(open_dataset({.name = "cifar100", .path = folder.path(), .allow_partial = true}, Split::train)->classes(),
            100);
}

TEST(RecogniseDataset, FindsEachOfSeveralDataSets) {
  const testing_support::TemporaryFolder folder;
  folder.write("cifar-10-binary.tar.gz", "");
  folder.write("cifar-100-binary.tar.gz", "");
  const auto holds = [&](const char* name) { return holds_dataset(name, folder.path()); };
  EXPECT_EQ(recognise_dataset(folder.path()), "cifar10");
  for (const char* name : {"cifar10", "cifar100", "cifar100-coarse"}) EXPECT_TRUE(holds(name)) << name;
  for (const char* name : {"folder", "packed", "shapes", "auto"}) EXPECT_FALSE(holds(name)) << name;
  EXPECT_FALSE(holds_dataset("cifar10", folder.path() / "none"));
}

}  // namespace
}  // namespace convmixer
