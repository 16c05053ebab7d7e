/// Zip archives as PyTorch writes them: files that are stored, not deflated, and begin at multiples of 64 bytes, so
/// that tensors in them can be used where they lie. libarchive's writer has no say in where a file's contents begin.
/// https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

namespace convmixer {

/// A file to put into an archive: a relative path in ASCII, and borrowed bytes.
struct ZipEntry {
  std::string name;
  std::span<const std::byte> bytes;
};

inline constexpr std::size_t kZipAlignment = 64;

/// Writes the archive, whole or not at all; the same entries give the same bytes. Throws Error naming the path if it
/// can't be written, and for more than 65,535 files or 4 GiB, which would take the format's later extension.
void write_zip(const std::filesystem::path& path, std::span<const ZipEntry> entries);

}  // namespace convmixer
