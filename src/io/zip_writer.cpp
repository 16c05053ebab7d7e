#include "io/zip_writer.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/file.hpp"

#include <cstdint>
#include <deque>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>
#include <zlib.h>

namespace convmixer {
namespace {

// The first bytes of a file, of its entry in the directory at the end, and of what comes after that.
constexpr std::string_view kLocalSignature = "PK\x03\x04";
constexpr std::string_view kDirectorySignature = "PK\x01\x02";
constexpr std::string_view kEndSignature = "PK\x05\x06";

constexpr std::size_t kLocalHeaderBytes = 30;  // without name and extra field
constexpr std::size_t kExtraHeaderBytes = 4;
constexpr std::string_view kPadding = "FB";   // the extra field that PyTorch pads with
constexpr std::uint16_t kFormatVersion = 10;  // 1.0: stored files
constexpr std::uint16_t kStored = 0;
constexpr std::uint16_t kFirstDay = 0x0021;  // 1 January 1980, where the format's time begins
constexpr std::size_t kMostZipBytes = std::numeric_limits<std::uint32_t>::max();
constexpr std::size_t kMostZipEntries = std::numeric_limits<std::uint16_t>::max();

/// Little-endian fields.
class Fields {
 public:
  Fields& add(std::string_view text) {
    bytes_.append(text);
    return *this;
  }
  Fields& add16(std::size_t value) { return add_bytes(value, 2); }
  Fields& add32(std::size_t value) { return add_bytes(value, 4); }
  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  Fields& add_bytes(std::size_t value, int count) {
    for (int i = 0; i < count; ++i) bytes_.push_back(static_cast<char>(value >> (8 * i) & 0xFFU));
    return *this;
  }

  std::string bytes_;
};

/// What a file's own header and its entry in the directory have in common.
Fields& add_description(Fields& fields, const ZipEntry& entry, std::size_t checksum) {
  constexpr std::size_t kNoFlags = 0;
  constexpr std::size_t kMidnight = 0;
  return fields.add16(kFormatVersion)
      .add16(kNoFlags)
      .add16(kStored)
      .add16(kMidnight)
      .add16(kFirstDay)
      .add32(checksum)
      .add32(entry.bytes.size())
      .add32(entry.bytes.size())
      .add16(entry.name.size());
}

std::string local_header(const ZipEntry& entry, std::size_t checksum, std::size_t offset) {
  const std::size_t unpadded = offset + kLocalHeaderBytes + entry.name.size() + kExtraHeaderBytes;
  const std::string padding((kZipAlignment - unpadded % kZipAlignment) % kZipAlignment, 'Z');
  Fields fields;
  fields.add(kLocalSignature);
  add_description(fields, entry, checksum).add16(kExtraHeaderBytes + padding.size());
  return fields.add(entry.name).add(kPadding).add16(padding.size()).add(padding).bytes();
}

std::string directory_entry(const ZipEntry& entry, std::size_t checksum, std::size_t offset) {
  constexpr std::size_t kNone = 0;  // extra field, comment, disk, attributes
  Fields fields;
  fields.add(kDirectorySignature).add16(kFormatVersion);
  add_description(fields, entry, checksum).add16(kNone).add16(kNone).add16(kNone).add16(kNone).add32(kNone);
  return fields.add32(offset).add(entry.name).bytes();
}

std::string end_of_directory(std::size_t entries, std::size_t bytes, std::size_t offset) {
  constexpr std::size_t kOnlyDisk = 0;
  constexpr std::size_t kNoComment = 0;
  Fields fields;
  fields.add(kEndSignature).add16(kOnlyDisk).add16(kOnlyDisk).add16(entries).add16(entries);
  return fields.add32(bytes).add32(offset).add16(kNoComment).bytes();
}

}  // namespace

void write_zip(const std::filesystem::path& path, std::span<const ZipEntry> entries) {
  std::deque<std::string> texts;  // which the parts borrow
  std::vector<std::span<const std::byte>> parts;
  std::size_t offset = 0;
  const auto append = [&](std::span<const std::byte> bytes) {
    parts.push_back(bytes);
    offset += bytes.size();
  };
  const auto append_text = [&](std::string text) {
    append(std::as_bytes(std::span(texts.emplace_back(std::move(text)))));
  };

  std::string directory;
  for (const ZipEntry& entry : entries) {
    const auto* const data = reinterpret_cast<const Bytef*>(entry.bytes.data());
    const std::size_t checksum = crc32_z(crc32_z(0, nullptr, 0), data, entry.bytes.size());
    directory += directory_entry(entry, checksum, offset);
    append_text(local_header(entry, checksum, offset));
    append(entry.bytes);
  }
  const std::size_t directory_begin = offset;
  const std::size_t directory_bytes = directory.size();
  append_text(std::move(directory));
  append_text(end_of_directory(entries.size(), directory_bytes, directory_begin));
  if (entries.size() > kMostZipEntries || offset > kMostZipBytes)
    fail("{}: a zip archive of {} files and {} bytes can't be written: expected at most {} and {}", path.string(),
         entries.size(), offset, kMostZipEntries, kMostZipBytes);
  write_file_atomically(path, parts);
}

}  // namespace convmixer
