#include "io/record_file.hpp"

#include <boost/crc.hpp>

namespace convmixer {
namespace {

constexpr std::size_t kChecksumBytes = 4;
constexpr std::size_t kHeaderBytes = 8 + kChecksumBytes;

/// Castagnoli's polynomial, with bits as RFC 3720 (B.4) has them.
using Crc32c = boost::crc_optimal<32, 0x1EDC6F41U, 0xFFFFFFFFU, 0xFFFFFFFFU, true, true>;

void append_number(std::string& bytes, std::uint64_t number, unsigned count) {
  for (unsigned i = 0; i < count; ++i) bytes.push_back(static_cast<char>(number >> (8 * i) & 0xFFU));
}

std::uint64_t read_number(std::string_view bytes) {
  std::uint64_t number = 0;
  for (std::size_t i = bytes.size(); i > 0; --i) number = number << 8U | static_cast<unsigned char>(bytes[i - 1]);
  return number;
}

}  // namespace

std::uint32_t masked_crc32c(std::string_view bytes) {
  Crc32c crc;
  crc.process_bytes(bytes.data(), bytes.size());
  const std::uint32_t sum = crc.checksum();
  return (sum >> 15U | sum << 17U) + 0xa282ead8U;
}

std::string to_record(std::string_view bytes) {
  std::string record;
  record.reserve(kHeaderBytes + bytes.size() + kChecksumBytes);
  append_number(record, bytes.size(), 8);
  append_number(record, masked_crc32c(record), kChecksumBytes);
  record.append(bytes);
  append_number(record, masked_crc32c(bytes), kChecksumBytes);
  return record;
}

std::optional<std::string_view> RecordReader::next() {
  const std::string_view rest = file_.substr(end_);
  if (rest.size() < kHeaderBytes + kChecksumBytes) return std::nullopt;
  const std::string_view length = rest.substr(0, 8);
  if (read_number(rest.substr(8, kChecksumBytes)) != masked_crc32c(length)) return std::nullopt;
  const std::uint64_t count = read_number(length);
  if (count > rest.size() - kHeaderBytes - kChecksumBytes) return std::nullopt;
  const std::string_view bytes = rest.substr(kHeaderBytes, count);
  if (read_number(rest.substr(kHeaderBytes + count, kChecksumBytes)) != masked_crc32c(bytes)) return std::nullopt;
  end_ += kHeaderBytes + count + kChecksumBytes;
  return bytes;
}

}  // namespace convmixer
