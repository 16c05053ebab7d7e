#include "io/archive.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/printable.hpp"
#include "io/archive_reader.hpp"
#include "io/decompress.hpp"
#include "io/utf8_locale.hpp"

#include <algorithm>

namespace convmixer {

namespace {

// Bytes read at a time: few at first, as an archive of weights holds many small files.
constexpr std::size_t kFirstChunk = std::size_t{1} << 14;
constexpr std::size_t kLargestChunk = std::size_t{1} << 20;

/// `left` is what the files before it have left of `most_bytes`.
std::string read_file(const ArchiveReader& reader, const std::string& where, const std::string& name,
                      std::size_t most_bytes, std::size_t left) {
  std::string bytes;
  for (std::size_t chunk = kFirstChunk;; chunk = std::min(2 * chunk, kLargestChunk)) {
    const std::size_t before = bytes.size();
    bytes.resize(before + chunk);
    const la_ssize_t got = archive_read_data(reader.get(), bytes.data() + before, chunk);
    // A warning is damage too: the bytes can't be trusted.
    if (got < 0) reader.give_up(fmt::format("{} in it can't be read", printable(name)));
    bytes.resize(before + static_cast<std::size_t>(got));
    if (bytes.size() > left)
      fail("{}: {} in it is too large: expected at most {} bytes in all that is read of it", where, printable(name),
           most_bytes);
    if (got == 0) return bytes;
  }
}

}  // namespace

std::vector<ArchiveFile> read_archive(std::span<const std::byte> archive, const std::string& where,
                                      std::size_t most_bytes,
                                      const std::function<ArchiveChoice(const std::string&)>& choose) {
  const Utf8Locale names_as_stored;  // libarchive converts them to the locale's characters
  ArchiveReader reader(where);
  // Only formats that data sets come in: every other reader of libarchive's stays out of reach of the file.
  archive_read_support_format_tar(reader.get());
  archive_read_support_format_zip(reader.get());
  if (is_compressed(archive)) {
    reader.open(decompress(archive, where));
  } else {
    reader.open(archive);
  }
  std::vector<ArchiveFile> files;
  std::int64_t unpacked = 0;
  std::size_t left = most_bytes;
  for (std::int64_t number = 1;; ++number) {
    archive_entry* entry = nullptr;
    const int status = archive_read_next_header(reader.get(), &entry);
    if (status == ARCHIVE_EOF) {
      reader.finish();
      return files;
    }
    if (status != ARCHIVE_OK && status != ARCHIVE_WARN) reader.give_up("can't be read as an archive");
    const std::int64_t size = std::max<std::int64_t>(archive_entry_size(entry), 0);
    if (size > kMostUnpacked - unpacked) fail_unpacks_to_too_much(where);
    unpacked += size;
    const char* path = archive_entry_pathname(entry);
    if (path == nullptr) fail("{}: entry {}: expected a name in UTF-8", where, number);
    if (archive_entry_filetype(entry) != AE_IFREG) continue;
    std::string name = path;
    const ArchiveChoice choice = choose(name);
    if (choice == ArchiveChoice::stop) return files;
    if (choice == ArchiveChoice::skip) continue;
    std::string bytes = read_file(reader, where, name, most_bytes, left);
    left -= bytes.size();
    files.push_back({std::move(name), std::move(bytes)});
  }
}

}  // namespace convmixer
