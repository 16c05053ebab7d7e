#include "data/sources/archive.hpp"

#include "convmixer/core/error.hpp"
#include "data/printable.hpp"

#include <algorithm>
#include <archive.h>
#include <archive_entry.h>
#include <memory>

namespace convmixer {

namespace {

constexpr std::int64_t kMostUnpacked = std::int64_t{16} << 30;
constexpr std::size_t kChunk = std::size_t{1} << 20;

struct Free {
  void operator()(archive* reader) const { archive_read_free(reader); }
};
using Reader = std::unique_ptr<archive, Free>;

/// libarchive's own words, which may be missing.
std::string reason(archive* reader) {
  const char* text = archive_error_string(reader);
  std::string line = printable(text != nullptr ? text : "damaged");
  while (line.ends_with(' ') || line.ends_with('.')) line.pop_back();
  return line;
}

/// Only formats that data sets come in: every other reader of libarchive's stays out of reach of the file.
Reader open_archive(std::span<const std::byte> bytes, const std::string& where) {
  Reader reader(archive_read_new());
  if (reader == nullptr) fail("{}: out of memory", where);
  archive_read_support_filter_gzip(reader.get());
  archive_read_support_filter_bzip2(reader.get());
  archive_read_support_filter_xz(reader.get());
  archive_read_support_filter_zstd(reader.get());
  archive_read_support_format_tar(reader.get());
  archive_read_support_format_zip(reader.get());
  if (archive_read_open_memory(reader.get(), bytes.data(), bytes.size()) != ARCHIVE_OK)
    fail("{}: can't be read as an archive: {}", where, reason(reader.get()));
  return reader;
}

std::string read_file(archive* reader, const std::string& where, const std::string& name, std::size_t most_bytes) {
  std::string bytes;
  for (;;) {
    const std::size_t before = bytes.size();
    bytes.resize(before + kChunk);
    const la_ssize_t got = archive_read_data(reader, bytes.data() + before, kChunk);
    // A warning is damage too: the bytes can't be trusted.
    if (got < 0) fail("{}: {} in it can't be read: {}", where, printable(name), reason(reader));
    bytes.resize(before + static_cast<std::size_t>(got));
    if (bytes.size() > most_bytes) fail("{}: {} in it is too large for what is expected in it", where, printable(name));
    if (got == 0) return bytes;
  }
}

}  // namespace

std::vector<ArchiveFile> read_archive(std::span<const std::byte> archive, const std::string& where,
                                      std::size_t most_bytes,
                                      const std::function<ArchiveChoice(const std::string&)>& choose) {
  const Reader reader = open_archive(archive, where);
  std::vector<ArchiveFile> files;
  std::int64_t unpacked = 0;
  for (;;) {
    archive_entry* entry = nullptr;
    const int status = archive_read_next_header(reader.get(), &entry);
    if (status == ARCHIVE_EOF) return files;
    if (status != ARCHIVE_OK && status != ARCHIVE_WARN)
      fail("{}: can't be read as an archive: {}", where, reason(reader.get()));
    const std::int64_t size = std::max<std::int64_t>(archive_entry_size(entry), 0);
    if (size > kMostUnpacked - unpacked) fail("{}: unpacks to more than 16 GiB", where);
    unpacked += size;
    const char* path = archive_entry_pathname(entry);
    if (path == nullptr || archive_entry_filetype(entry) != AE_IFREG) continue;
    std::string name = path;
    const ArchiveChoice choice = choose(name);
    if (choice == ArchiveChoice::stop) return files;
    if (choice == ArchiveChoice::skip) continue;
    std::string bytes = read_file(reader.get(), where, name, most_bytes);
    most_bytes -= bytes.size();
    files.push_back({std::move(name), std::move(bytes)});
  }
}

}  // namespace convmixer
