#include "convmixer/data/sources/cifar.hpp"
#include "data/sources/cifar_pickles.hpp"
#include "support/archive_bytes.hpp"
#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <zlib.h>

namespace convmixer {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using namespace testing_support;

NamedBytes binary_cifar10() {
  NamedBytes files{{"cifar-10-batches-bin/", ""}, {"cifar-10-batches-bin/batches.meta.txt", "airplane\n"}};
  for (const int part : {3, 1, 2, 5, 4})
    files.emplace_back("cifar-10-batches-bin/data_batch_" + std::to_string(part) + ".bin",
                       cifar_record({2 * part - 2}) + cifar_record({2 * part - 1}));
  files.emplace_back("cifar-10-batches-bin/readme.html", "<html>");
  files.emplace_back("cifar-10-batches-bin/test_batch.bin", cifar_record({4}) + cifar_record({7}));
  return files;
}

NamedBytes python_cifar10(std::string (*pickle)(const std::vector<int>&)) {
  NamedBytes files;
  for (int part = 0; part < 5; ++part)
    files.emplace_back("cifar-10-batches-py/data_batch_" + std::to_string(part + 1), pickle({2 * part, 2 * part + 1}));
  files.emplace_back("cifar-10-batches-py/test_batch", pickle({4, 7}));
  return files;
}

void expect_pixels_of(const Dataset& dataset, std::int64_t index, const std::vector<int>& labels) {
  const std::string expected = cifar_record(labels).substr(labels.size());
  const auto image = dataset.image(index);
  EXPECT_TRUE(std::ranges::equal(image, expected, {}, {}, [](char c) { return static_cast<std::uint8_t>(c); }))
      << "image " << index;
}

void expect_the_ten_images(const std::filesystem::path& path) {
  const auto train = open_cifar10(path, Split::train, kFewImages);
  ASSERT_EQ(train->size(), 10);
  EXPECT_EQ(train->classes(), 10);
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(train->label(i), i);
    expect_pixels_of(*train, i, {i});
  }
  const auto test = open_cifar10(path, Split::test, kFewImages);
  ASSERT_EQ(test->size(), 2);
  EXPECT_EQ(test->label(1), 7);
  expect_pixels_of(*test, 1, {7});
}

std::string refusal_of(const std::filesystem::path& path) {
  const Error error = error_of([&] { (void)open_cifar10(path, Split::train, kFewImages); });
  EXPECT_EQ(error.kind(), ErrorKind::failure);
  EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
  return error.what();
}

std::string gzip_bytes(const std::string& content) {
  std::string bytes(content.size() + 1000, '\0');
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
  stream.avail_in = static_cast<uInt>(content.size());
  stream.next_out = reinterpret_cast<Bytef*>(bytes.data());
  stream.avail_out = static_cast<uInt>(bytes.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  bytes.resize(stream.total_out);
  deflateEnd(&stream);
  return bytes;
}

TEST(CifarArchive, OfTheBinaryVersionIsReadInTheOrderOfTheFilesNames) {
  const TemporaryFolder folder;
  expect_the_ten_images(folder.write("cifar-10-binary.tar.gz", archive_bytes(binary_cifar10())));
}

TEST(CifarArchive, MayBePackedInAnyUsualWayUnderAnyName) {
  const TemporaryFolder folder;
  for (const char* kind : {"tar", "tar.bz2", "tar.xz", "tar.zst", "zip"}) {
    SCOPED_TRACE(kind);
    expect_the_ten_images(folder.write("download", archive_bytes(binary_cifar10(), kind)));
  }
}

TEST(CifarArchive, OfThePythonVersionIsReadWithoutPython) {
  const TemporaryFolder folder;
  expect_the_ten_images(folder.write("cifar-10-python.tar.gz", archive_bytes(python_cifar10(python2_cifar10))));
}

TEST(CifarArchive, OfThePythonVersionMayHaveBeenWrittenAgainByPython3) {
  const TemporaryFolder folder;
  expect_the_ten_images(folder.write("again.tar.gz", archive_bytes(python_cifar10(python3_cifar10))));
}

TEST(CifarArchive, IsFoundInTheFolderItWasDownloadedTo) {
  const TemporaryFolder folder;
  folder.write("cifar-10-binary.tar.gz", archive_bytes(binary_cifar10()));
  expect_the_ten_images(folder.path());
}

TEST(CifarArchive, UnpackedPythonVersionIsReadToo) {
  const TemporaryFolder folder;
  for (const auto& [name, bytes] : python_cifar10(python2_cifar10)) folder.write(name, bytes);
  expect_the_ten_images(folder.path());
  expect_the_ten_images(folder.path() / "cifar-10-batches-py");
}

TEST(CifarArchive, OfCifar100GivesTheFineLabels) {
  const TemporaryFolder folder;
  const auto python = folder.write(
      "python.tar.gz", archive_bytes({{"cifar-100-python/train", python2_cifar100({{13, 99}, {4, 0}, {19, 53}})},
                                      {"cifar-100-python/test", python2_cifar100({{11, 20}})}}));
  const auto binary = folder.write(
      "binary.tar.gz", archive_bytes({{"cifar-100-binary/train.bin",
                                       cifar_record({13, 99}) + cifar_record({4, 0}) + cifar_record({19, 53})},
                                      {"cifar-100-binary/test.bin", cifar_record({11, 20})}}));
  for (const auto& path : {python, binary}) {
    const auto train = open_cifar100(path, Split::train, kFewImages);
    ASSERT_EQ(train->size(), 3);
    EXPECT_EQ(train->label(0), 99);
    EXPECT_EQ(train->label(2), 53);
    expect_pixels_of(*train, 2, {19, 53});
    EXPECT_EQ(open_cifar100(path, Split::test, kFewImages)->label(0), 20);
    EXPECT_EQ(open_cifar100_coarse(path, Split::train, kFewImages)->label(2), 19);
    EXPECT_EQ(open_cifar100_coarse(path, Split::test, kFewImages)->label(0), 11);
  }
}

TEST(CifarArchive, ColumnMajorArraysAreTurnedAround) {
  const TemporaryFolder folder;
  const std::string rows = pixel_rows({{1}, {2}});
  std::string columns;
  for (std::size_t i = 0; i < 3072; ++i) columns += {rows[i], rows[3072 + i]};
  Python2Pickle pickle;
  pickle.raw("\x80\x02}").put().raw("(").text("labels").integers({1, 2});
  pickle.text("data").matrix(2, 3072, columns, true).raw("u.");
  folder.write("test_batch", pickle.bytes());
  const auto dataset = open_cifar10(folder.path(), Split::test, kFewImages);
  expect_pixels_of(*dataset, 0, {1});
  expect_pixels_of(*dataset, 1, {2});
}

TEST(CifarArchive, ThatIsNoneSaysSo) {
  const TemporaryFolder folder;
  const auto file = folder.write("x.tar.gz", "this is text and no archive, whatever its name says");
  EXPECT_THAT(refusal_of(file), HasSubstr(file.string() + ": can't be read as an archive"));
  EXPECT_THAT(refusal_of(folder.write("empty.tar.gz", "")), HasSubstr("empty.tar.gz"));
}

TEST(CifarArchive, OfSomethingElseNamesWhatIsInIt) {
  const TemporaryFolder folder;
  const auto file = folder.write("x.tar.gz", archive_bytes({{"a/one.txt", "1"}, {"a/two.txt", "2"}}));
  EXPECT_THAT(refusal_of(file), AllOf(HasSubstr("no archive of CIFAR-10: found one.txt, two.txt"),
                                      HasSubstr("data_batch_1.bin or data_batch_1")));
}

TEST(CifarArchive, WithoutOneOfTheFilesNamesIt) {
  const TemporaryFolder folder;
  NamedBytes files = binary_cifar10();
  std::erase_if(files, [](const auto& file) { return file.first.ends_with("data_batch_4.bin"); });
  EXPECT_THAT(refusal_of(folder.write("x.tar.gz", archive_bytes(files))), HasSubstr("data_batch_4.bin is not in it"));
}

TEST(CifarArchive, CutOffAnywhereIsRefused) {
  const TemporaryFolder folder;
  const std::string whole = archive_bytes(binary_cifar10());
  for (std::size_t part = 1; part < 20; ++part) {
    const auto file = folder.write("x.tar.gz", whole.substr(0, whole.size() * part / 20));
    EXPECT_THAT(refusal_of(file), HasSubstr("x.tar.gz"));
  }
}

/// Whether an archive is refused; if it isn't, what it gives must be what was put in.
bool is_refused(const std::filesystem::path& path) {
  try {
    (void)open_cifar10(path, Split::test, kFewImages);
  } catch (const Error&) {
    return true;
  }
  expect_the_ten_images(path);
  return false;
}

std::string with_flipped_bit(std::string bytes, std::size_t bit) {
  bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
  return bytes;
}

TEST(CifarArchive, WithAFlippedBitIsRefusedOrUnharmed) {
  const TemporaryFolder folder;
  // Formats with a checksum over all that is compressed: a zip's are of the files alone, zstd's is optional.
  for (const char* kind : {"tar.gz", "tar.bz2", "tar.xz"}) {
    SCOPED_TRACE(kind);
    const std::string whole = archive_bytes(binary_cifar10(), kind);
    const std::size_t bits = 8 * whole.size();
    const auto refused = [&](std::size_t bit) { return is_refused(folder.write("x", with_flipped_bit(whole, bit))); };
    for (std::size_t bit = 0; bit < 18 * 8; bit += 5) (void)refused(bit);  // a header's times don't matter
    for (std::size_t bit = 18 * 8; bit < bits - 64; bit += bits / 23 + 1) EXPECT_TRUE(refused(bit)) << bit;
    for (std::size_t bit = bits - 64; bit < bits; bit += 5) (void)refused(bit);
  }
}

TEST(CifarArchive, OfGzipIsVerifiedByItsCrcAndLengthToTheVeryEnd) {
  const TemporaryFolder folder;
  const std::string whole = archive_bytes(binary_cifar10());
  for (std::size_t bit = 8 * whole.size() - 64; bit < 8 * whole.size(); bit += 3)
    EXPECT_TRUE(is_refused(folder.write("x", with_flipped_bit(whole, bit)))) << bit;
  EXPECT_FALSE(is_refused(folder.write("x", whole + std::string(1000, '\0'))));  // as tapes are filled up
  EXPECT_TRUE(is_refused(folder.write("x", with_flipped_bit(whole + std::string(1000, '\0'), 8 * whole.size() + 77))));
}

TEST(CifarArchive, OfSeveralGzipMembersIsReadAndVerifiedWhole) {
  const TemporaryFolder folder;
  const std::string tar = archive_bytes(binary_cifar10(), "tar");
  const std::string first = gzip_bytes(tar.substr(0, 5000));
  const std::string both = first + gzip_bytes(tar.substr(5000));
  EXPECT_FALSE(is_refused(folder.write("x", both)));
  EXPECT_TRUE(is_refused(folder.write("x", with_flipped_bit(both, 8 * first.size() - 50))));
  EXPECT_TRUE(is_refused(folder.write("x", first)));
}

TEST(CifarArchive, CompressedTwiceAsServersDoIsRead) {
  const TemporaryFolder folder;
  EXPECT_FALSE(is_refused(folder.write("x", gzip_bytes(archive_bytes(binary_cifar10(), "tar.xz")))));
}

TEST(CifarArchive, NamesFileAndRecordOfALabelOutOfRange) {
  const TemporaryFolder folder;
  NamedBytes files = binary_cifar10();
  files[2].second = cifar_record({1}) + cifar_record({10});
  EXPECT_THAT(refusal_of(folder.write("x.tar.gz", archive_bytes(files))),
              HasSubstr("x.tar.gz: data_batch_3.bin: found label 10 in byte 0 of record 1, expected 0 to 9"));
}

/// What is said about a pickled batch.
std::string refusal_of_pickle(const std::string& bytes) {
  const TemporaryFolder folder;
  folder.write("test_batch", bytes);
  return error_of([&] { (void)open_cifar10(folder.path(), Split::test, kFewImages); }).what();
}

TEST(CifarPickle, WithoutLabelsOrDataSaysSo) {
  Python2Pickle labels;
  labels.raw("\x80\x02}").put().raw("(").text("labels").integers({1}).raw("u.");
  EXPECT_THAT(refusal_of_pickle(labels.bytes()), HasSubstr("test_batch: has no 'data'"));
  Python2Pickle data;
  data.raw("\x80\x02}").put().raw("(").text("data").matrix(1, 3072, pixel_rows({{1}})).raw("u.");
  EXPECT_THAT(refusal_of_pickle(data.bytes()), HasSubstr("test_batch: has no 'labels'"));
  EXPECT_THAT(refusal_of_pickle("\x80\x02K\x01."), HasSubstr("holds no dictionary"));
}

TEST(CifarPickle, OfTheOtherCifarIsRefused) {
  EXPECT_THAT(refusal_of_pickle(python2_cifar100({{1, 2}})), HasSubstr("has no 'labels'"));
}

TEST(CifarPickle, WithLabelsThatDontFitIsRefused) {
  EXPECT_THAT(refusal_of_pickle(python2_cifar10({3, 10})), HasSubstr("label 1 of 'labels' is 10, expected 0 to 9"));
  EXPECT_THAT(refusal_of_pickle(python2_cifar10({-1})), HasSubstr("label 0 of 'labels' is -1, expected 0 to 9"));
  Python2Pickle fewer;
  fewer.raw("\x80\x02}").put().raw("(").text("labels").integers({1});
  fewer.text("data").matrix(2, 3072, pixel_rows({{1}, {2}})).raw("u.");
  EXPECT_THAT(refusal_of_pickle(fewer.bytes()), HasSubstr("'labels' is not a list of 2 labels"));
}

TEST(CifarPickle, WithAnArrayOfAnotherShapeIsRefused) {
  for (const auto& [rows, columns, size] : std::vector<std::tuple<int, int, std::size_t>>{
           {1, 3071, 3071}, {2, 3072, 3072}, {1, 3072, 3071}, {0, 3072, 0}, {-1, 3072, 3072}}) {
    Python2Pickle pickle;
    pickle.raw("\x80\x02}").put().raw("(").text("labels").integers({1});
    pickle.text("data").matrix(rows, columns, std::string(size, 'x')).raw("u.");
    EXPECT_THAT(refusal_of_pickle(pickle.bytes()), HasSubstr("'data' is not an array of 3072 bytes")) << rows;
  }
}

TEST(CifarPickle, CutOffAnywhereIsRefused) {
  const std::string whole = python2_cifar10({1, 2});
  for (std::size_t size = 0; size < whole.size(); size += size < 500 || size > whole.size() - 100 ? 1U : 97U)
    EXPECT_THAT(refusal_of_pickle(whole.substr(0, size)), HasSubstr("no readable pickle")) << size;
}

}  // namespace
}  // namespace convmixer
