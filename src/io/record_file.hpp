/// TFRecord: the records that TensorFlow's files, TensorBoard's event files among them, are made of.
/// https://www.tensorflow.org/tutorials/load_data/tfrecord: for each record
///     uint64 length, uint32 masked CRC-32C of these eight bytes, the bytes, uint32 masked CRC-32C of them,
/// numbers least significant byte first. A checksum is masked because a file may hold others of its own:
///     masked = ((crc >> 15) | (crc << 17)) + 0xa282ead8 (mod 2^32).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace convmixer {

[[nodiscard]] std::uint32_t masked_crc32c(std::string_view bytes);

/// The bytes as a record.
[[nodiscard]] std::string to_record(std::string_view bytes);

/// Goes through the records of a file.
class RecordReader {
 public:
  /// `file` is borrowed.
  explicit RecordReader(std::string_view file) : file_(file) {}

  /// The bytes of the next record; nothing at the end, and from the first record on that is torn or damaged.
  std::optional<std::string_view> next();
  /// Where the last record that next() gave ends, in bytes.
  [[nodiscard]] std::size_t end() const noexcept { return end_; }

 private:
  std::string_view file_;
  std::size_t end_ = 0;
};

}  // namespace convmixer
