#include "io/archive_reader.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/printable.hpp"

#include <cerrno>
#include <utility>

namespace convmixer {

namespace {

/// libarchive's own words, which may be missing.
std::string reason(archive* reader) {
  const char* text = archive_error_string(reader);
  std::string line = printable(text != nullptr ? text : "damaged");
  while (line.ends_with(' ') || line.ends_with('.')) line.pop_back();
  return line;
}

}  // namespace

void fail_unpacks_to_too_much(const std::string& where) { fail("{}: unpacks to more than 16 GiB", where); }

ArchiveReader::ArchiveReader(std::string where) : where_(std::move(where)), reader_(archive_read_new()) {
  if (reader_ == nullptr) fail("{}: out of memory", where_);
}

void ArchiveReader::open(std::span<const std::byte> bytes) {
  if (archive_read_open_memory(get(), bytes.data(), bytes.size()) != ARCHIVE_OK) give_up("can't be read as an archive");
}

void ArchiveReader::open(ByteStream stream) {
  stream_ = std::move(stream);
  if (archive_read_open(get(), this, nullptr, &ArchiveReader::read, nullptr) != ARCHIVE_OK)
    give_up("can't be read as an archive");
}

/// No exception may pass through libarchive's frames.
la_ssize_t ArchiveReader::read(archive* reader, void* self, const void** bytes) noexcept {
  auto& own = *static_cast<ArchiveReader*>(self);
  try {
    const auto next = own.stream_();
    *bytes = next.data();
    return std::ssize(next);
  } catch (...) {
    own.thrown_ = std::current_exception();
    archive_set_error(reader, EIO, "its bytes can't be had");
    return -1;
  }
}

void ArchiveReader::finish() {
  while (stream_ && !stream_().empty()) {
  }
}

void ArchiveReader::give_up(const std::string& what) const {
  if (thrown_) std::rethrow_exception(thrown_);
  fail("{}: {}: {}", where_, what, reason(get()));
}

}  // namespace convmixer
