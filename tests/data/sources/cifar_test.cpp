#include "convmixer/data/sources/cifar.hpp"

#include "convmixer/data/open_dataset.hpp"
#include "data/sources/cifar_files.hpp"
#include "data/sources/cifar_md5.hpp"
#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace convmixer {
namespace {

using testing::HasSubstr;
using testing_support::cifar_record;
using testing_support::error_of;
using testing_support::kFewImages;
using testing_support::pixel_byte;
using testing_support::TemporaryFolder;
using testing_support::write_cifar10;
using testing_support::write_cifar100;

void expect_pixels_of(const Dataset& dataset, std::int64_t index, const std::vector<int>& labels) {
  const std::span<const std::uint8_t> image = dataset.image(index);
  ASSERT_EQ(image.size(), 3072U);
  for (int i = 0; i < 3072; ++i)
    ASSERT_EQ(image[static_cast<std::size_t>(i)], static_cast<std::uint8_t>(pixel_byte(labels, i)))
        << "image " << index << ", byte " << i;
}

std::string message_of_opening_cifar10(const std::filesystem::path& folder, Split split = Split::train) {
  const Error error = error_of([&] { (void)open_cifar10(folder, split, kFewImages); });
  EXPECT_EQ(error.kind(), ErrorKind::failure);
  return error.what();
}

std::string message_of_opening_cifar100(const std::filesystem::path& folder) {
  return error_of([&] { (void)open_cifar100(folder, Split::train, kFewImages); }).what();
}

TEST(Cifar10, ReadsLabelsAndPlanesOfAllFiveFilesInOrder) {
  const TemporaryFolder folder;
  write_cifar10(folder, ".");
  const auto dataset = open_cifar10(folder.path(), Split::train, kFewImages);
  ASSERT_EQ(dataset->size(), 10);
  EXPECT_EQ(dataset->channels(), 3);
  EXPECT_EQ(dataset->image_size(), 32);
  EXPECT_EQ(dataset->classes(), 10);
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(dataset->label(i), i);
    expect_pixels_of(*dataset, i, {i});
  }
}

TEST(Cifar10, ReadsTheTestSplitFromItsOwnFile) {
  const TemporaryFolder folder;
  write_cifar10(folder, ".");
  const auto dataset = open_cifar10(folder.path(), Split::test, kFewImages);
  ASSERT_EQ(dataset->size(), 2);
  EXPECT_EQ(dataset->label(0), 4);
  EXPECT_EQ(dataset->label(1), 7);
  expect_pixels_of(*dataset, 1, {7});
}

TEST(Cifar10, FilesMayHoldDifferentNumbersOfRecords) {
  const TemporaryFolder folder;
  write_cifar10(folder, ".");
  folder.write("data_batch_2.bin", cifar_record({6}) + cifar_record({8}) + cifar_record({2}));
  const auto dataset = open_cifar10(folder.path(), Split::train, kFewImages);
  ASSERT_EQ(dataset->size(), 11);
  EXPECT_EQ(dataset->label(4), 2);
  expect_pixels_of(*dataset, 4, {2});
  EXPECT_EQ(dataset->label(5), 4);
  EXPECT_EQ(dataset->label(10), 9);
}

TEST(Cifar10, WithAnotherNumberOfImagesThanWasPublishedIsRefusedUnlessAllowed) {
  const TemporaryFolder folder;
  write_cifar10(folder, ".");
  const std::string message = error_of([&] { (void)open_cifar10(folder.path(), Split::train); }).what();
  EXPECT_THAT(message, HasSubstr("data_batch_1.bin: found 2 images, expected 10000 as CIFAR-10 has them"));
  EXPECT_THAT(message, HasSubstr("allow-partial"));
  write_cifar100(folder, ".");
  EXPECT_THAT(error_of([&] { (void)open_cifar100(folder.path(), Split::train); }).what(),
              HasSubstr("train.bin: found 3 images, expected 50000"));
  EXPECT_THAT(error_of([&] { (void)open_cifar100(folder.path(), Split::test); }).what(), HasSubstr("expected 10000"));
}

TEST(Cifar10, CutAtARecordsBorderIsRefused) {
  const TemporaryFolder folder;
  std::string batch;
  for (int i = 0; i < 10'000; ++i) batch += cifar_record({i % 10});
  folder.write("test_batch.bin", batch);
  EXPECT_EQ(open_cifar10(folder.path(), Split::test)->size(), 10'000);
  folder.write("test_batch.bin", batch.substr(0, 9'999 * 3073));
  EXPECT_THAT(error_of([&] { (void)open_cifar10(folder.path(), Split::test); }).what(),
              HasSubstr("test_batch.bin: found 9999 images, expected 10000"));
}

TEST(Cifar10, TellsInALineOfASplitWhichFilesAreNotThePublishedOnes) {
  const TemporaryFolder folder;
  write_cifar10(folder, ".");
  const std::string test_batch = cifar_record({4}) + cifar_record({7});
  std::vector<std::string> notes;
  const CifarOptions options{.allow_partial = true, .note = [&](const std::string& note) { notes.push_back(note); }};
  (void)open_cifar10(folder.path(), Split::test, options);
  EXPECT_THAT(notes, testing::ElementsAre(HasSubstr("test_batch.bin is not as CIFAR-10 was published, by its MD5 " +
                                                    md5_of(std::as_bytes(std::span(test_batch))) +
                                                    ", published 803d5f7f4d78ea53de84dbe85f74fb6d")));
  (void)open_cifar10(folder.path(), Split::train, options);
  EXPECT_THAT(notes.back(), HasSubstr("data_batch_4.bin, data_batch_5.bin are not as CIFAR-10 was published"));
  EXPECT_EQ(notes.size(), 2U);
}

TEST(Md5, IsRfc1321s) {
  const auto md5 = [](std::string_view text) { return md5_of(std::as_bytes(std::span(text))); };
  EXPECT_EQ(md5(""), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(md5("message digest"), "f96b697d7cb7938d525a2f31aaf161d0");
}

TEST(Cifar10, TakesTheFolderAboveTheFiles) {
  const TemporaryFolder folder;
  write_cifar10(folder, "cifar-10-batches-bin");
  EXPECT_EQ(open_cifar10(folder.path(), Split::train, kFewImages)->size(), 10);
  EXPECT_EQ(open_cifar10(folder.path() / "cifar-10-batches-bin", Split::test, kFewImages)->size(), 2);
}

TEST(Cifar10, NamesItsClassesInTheOrderOfTheLabels) {
  const TemporaryFolder folder;
  write_cifar10(folder, ".");
  EXPECT_THAT(
      open_cifar10(folder.path(), Split::test, kFewImages)->class_names(),
      testing::ElementsAre("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"));
}

TEST(Cifar10, NamesAMissingFolder) {
  const TemporaryFolder folder;
  EXPECT_THAT(message_of_opening_cifar10(folder.path() / "nowhere"), HasSubstr("nowhere: no such file or folder"));
}

TEST(Cifar10, NamesAllThatItLookedFor) {
  const TemporaryFolder folder;
  const std::string message = message_of_opening_cifar10(folder.path());
  EXPECT_THAT(message, HasSubstr(folder.path().string() + ": CIFAR-10 is not there: expected data_batch_1.bin"));
  EXPECT_THAT(message, HasSubstr("cifar-10-batches-bin"));
  EXPECT_THAT(message, HasSubstr("cifar-10-python.tar.gz"));
  EXPECT_THAT(message_of_opening_cifar10(folder.path(), Split::test), HasSubstr("test_batch.bin"));
}

TEST(Cifar10, NamesAMissingLaterFile) {
  const TemporaryFolder folder;
  write_cifar10(folder, "cifar-10-batches-bin");
  const std::filesystem::path missing = folder.path() / "cifar-10-batches-bin" / "data_batch_4.bin";
  std::filesystem::remove(missing);
  EXPECT_THAT(message_of_opening_cifar10(folder.path()), HasSubstr(missing.string() + ": no such file"));
}

TEST(Cifar10, RefusesAFileThatIsNotAWholeNumberOfRecords) {
  const TemporaryFolder folder;
  write_cifar10(folder, ".");
  const auto file = folder.write("data_batch_3.bin", cifar_record({1}) + "x");
  const std::string message = message_of_opening_cifar10(folder.path());
  EXPECT_THAT(message, HasSubstr(file.string() + ": found 3074 bytes, expected a multiple of 3073"));
}

TEST(Cifar10, RefusesAnEmptyFile) {
  const TemporaryFolder folder;
  write_cifar10(folder, ".");
  folder.write("test_batch.bin", "");
  EXPECT_THAT(message_of_opening_cifar10(folder.path(), Split::test), HasSubstr("test_batch.bin: found 0 bytes"));
}

TEST(Cifar10, RefusesALabelOutOfRangeNamingFileAndRecord) {
  const TemporaryFolder folder;
  write_cifar10(folder, ".");
  const auto file = folder.write("data_batch_5.bin", cifar_record({9}) + cifar_record({0}) + cifar_record({10}));
  EXPECT_THAT(message_of_opening_cifar10(folder.path()),
              HasSubstr(file.string() + ": found label 10 in byte 0 of record 2, expected 0 to 9"));
}

TEST(Cifar10, RefusesALabelOutOfRangeBeyondTheLimitToo) {
  const TemporaryFolder folder;
  write_cifar10(folder, ".");
  folder.write("data_batch_5.bin", cifar_record({200}));
  const Error error = error_of([&] {
    (void)open_dataset({.name = "cifar10", .path = folder.path(), .limit = 1, .allow_partial = true}, Split::train);
  });
  EXPECT_THAT(error.what(), HasSubstr("found label 200"));
}

TEST(Cifar100, ReadsTheFineLabelAndThePlanes) {
  const TemporaryFolder folder;
  write_cifar100(folder, "cifar-100-binary");
  const auto dataset = open_cifar100(folder.path(), Split::train, kFewImages);
  ASSERT_EQ(dataset->size(), 3);
  EXPECT_EQ(dataset->label(0), 99);
  EXPECT_EQ(dataset->label(1), 0);
  EXPECT_EQ(dataset->label(2), 53);
  expect_pixels_of(*dataset, 0, {13, 99});
  expect_pixels_of(*dataset, 2, {19, 53});
  EXPECT_EQ(open_cifar100(folder.path() / "cifar-100-binary", Split::test, kFewImages)->label(0), 20);
}

TEST(Cifar100Coarse, ReadsTheCoarseLabelOfTheSameImages) {
  const TemporaryFolder folder;
  write_cifar100(folder, "cifar-100-binary");
  const auto dataset = open_cifar100_coarse(folder.path(), Split::train, kFewImages);
  ASSERT_EQ(dataset->size(), 3);
  EXPECT_EQ(dataset->label(0), 13);
  EXPECT_EQ(dataset->label(1), 4);
  EXPECT_EQ(dataset->label(2), 19);
  expect_pixels_of(*dataset, 2, {19, 53});
  const std::vector<std::string>& names = dataset->class_names();
  ASSERT_EQ(dataset->classes(), 20);
  EXPECT_TRUE(std::ranges::is_sorted(names));
  EXPECT_EQ(names[13], "non-insect_invertebrates");
  EXPECT_EQ(names[19], "vehicles_2");
}

TEST(Cifar100, NamesOneHundredDifferentClassesInAlphabeticalOrder) {
  const TemporaryFolder folder;
  write_cifar100(folder, ".");
  const auto dataset = open_cifar100(folder.path(), Split::train, kFewImages);
  const std::vector<std::string>& names = dataset->class_names();
  ASSERT_EQ(dataset->classes(), 100);
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), 100U);
  EXPECT_TRUE(std::ranges::is_sorted(names));
  EXPECT_EQ(names[53], "orange");
  EXPECT_EQ(names[99], "worm");
}

TEST(Cifar100, RefusesFineAndCoarseLabelsOutOfRange) {
  const TemporaryFolder folder;
  write_cifar100(folder, ".");
  folder.write("train.bin", cifar_record({0, 0}) + cifar_record({3, 100}));
  EXPECT_THAT(message_of_opening_cifar100(folder.path()),
              HasSubstr("train.bin: found label 100 in byte 1 of record 1, expected 0 to 99"));
  folder.write("train.bin", cifar_record({20, 3}));
  EXPECT_THAT(message_of_opening_cifar100(folder.path()),
              HasSubstr("train.bin: found label 20 in byte 0 of record 0, expected 0 to 19"));
}

TEST(Cifar100, RefusesRecordsOfCifar10) {
  const TemporaryFolder folder;
  folder.write("train.bin", cifar_record({1}));
  EXPECT_THAT(message_of_opening_cifar100(folder.path()), HasSubstr("found 3073 bytes, expected a multiple of 3074"));
}

}  // namespace
}  // namespace convmixer
