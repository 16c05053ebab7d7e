#include "io/record_file.hpp"

#include <gtest/gtest.h>

#include <numeric>

namespace convmixer {
namespace {

std::uint32_t unmasked(std::uint32_t masked) {
  const std::uint32_t rotated = masked - 0xa282ead8U;
  return rotated >> 17U | rotated << 15U;
}

// RFC 3720, B.4, and the check value of the catalogue of CRCs.
TEST(MaskedCrc32c, IsCastagnolis) {
  EXPECT_EQ(unmasked(masked_crc32c(std::string(32, '\0'))), 0x8a9136aaU);
  EXPECT_EQ(unmasked(masked_crc32c(std::string(32, '\xff'))), 0x62a8ab43U);
  std::string rising(32, '\0');
  std::iota(rising.begin(), rising.end(), '\0');
  EXPECT_EQ(unmasked(masked_crc32c(rising)), 0x46dd794eU);
  EXPECT_EQ(unmasked(masked_crc32c("123456789")), 0xe3069283U);
}

// The first record of a file that TensorFlow wrote, from TensorBoard's tests (tensorboard/data/server/tf_record.rs).
const std::string kContent(
    "\x09\x00\x00\x80\x38\x99\xd6\xd7\x41\x1a\x0d"
    "brain.Event:2",
    24);
const std::string kRecord =
    std::string("\x18\x00\x00\x00\x00\x00\x00\x00\xa3\x7f\x4b\x22", 12) + kContent + std::string("\x12\x4b\x36\xab", 4);

TEST(Record, IsTensorFlows) { EXPECT_EQ(to_record(kContent), kRecord); }

TEST(RecordReader, ReadsWhatWasWritten) {
  const std::string file = to_record("one") + to_record("") + to_record("three");
  RecordReader reader(file);
  EXPECT_EQ(reader.next(), "one");
  EXPECT_EQ(reader.next(), "");
  EXPECT_EQ(reader.next(), "three");
  EXPECT_EQ(reader.end(), file.size());
  EXPECT_EQ(reader.next(), std::nullopt);
}

TEST(RecordReader, EndsBeforeARecordThatIsTornAnywhere) {
  for (std::size_t size = 0; size < kRecord.size(); ++size) {
    const std::string file = kRecord + kRecord.substr(0, size);
    RecordReader reader(file);
    ASSERT_TRUE(reader.next());
    EXPECT_FALSE(reader.next()) << size;
    EXPECT_EQ(reader.end(), kRecord.size());
  }
}

TEST(RecordReader, EndsBeforeARecordOfWhichAnyBitIsWrong) {
  for (std::size_t bit = 0; bit < 8 * kRecord.size(); ++bit) {
    std::string file = kRecord;
    file[bit / 8] = static_cast<char>(file[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(RecordReader(file).next()) << bit;
  }
}

TEST(RecordReader, EndsBeforeALengthThatNoFileHas) {
  std::string file(8, '\xff');
  const std::uint32_t checksum = masked_crc32c(file);
  for (unsigned i = 0; i < 4; ++i) file.push_back(static_cast<char>(checksum >> (8 * i)));
  EXPECT_FALSE(RecordReader(file + "0123456789").next());
}

}  // namespace
}  // namespace convmixer
