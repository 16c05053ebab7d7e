/// A reader of libarchive's that is closed with the object and whose errors are ours.
#pragma once

#include "io/byte_stream.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <cstdint>
#include <exception>
#include <memory>
#include <span>
#include <string>

namespace convmixer {

/// A file of a few KiB can be made to unpack to anything.
inline constexpr std::int64_t kMostUnpacked = std::int64_t{16} << 30;
[[noreturn]] void fail_unpacks_to_too_much(const std::string& where);

class ArchiveReader {
 public:
  /// `where` names the archive in messages. Filters and formats are switched on, then it is opened.
  explicit ArchiveReader(std::string where);
  ArchiveReader(const ArchiveReader&) = delete;  // libarchive has its address
  ArchiveReader& operator=(const ArchiveReader&) = delete;

  void open(std::span<const std::byte> bytes);
  void open(ByteStream stream);
  /// Reads a stream to its end, where its checksums are.
  void finish();

  [[nodiscard]] archive* get() const noexcept { return reader_.get(); }
  /// Throws what the stream threw; else Error: where, what, and libarchive's reason.
  [[noreturn]] void give_up(const std::string& what) const;

 private:
  static la_ssize_t read(archive* reader, void* self, const void** bytes) noexcept;

  struct Free {
    void operator()(archive* reader) const noexcept { archive_read_free(reader); }
  };
  std::string where_;
  ByteStream stream_;
  std::exception_ptr thrown_;
  std::unique_ptr<archive, Free> reader_;
};

}  // namespace convmixer
