/// Archives made in memory, by libarchive.
#pragma once

#include <gtest/gtest.h>

#include <archive.h>
#include <archive_entry.h>
#include <string>
#include <utility>
#include <vector>

namespace convmixer::testing_support {

using NamedBytes = std::vector<std::pair<std::string, std::string>>;

/// An archive of these files, in their order; names that end in '/' become folders. `kind` is "tar", "tar.gz",
/// "tar.bz2", "tar.xz", "tar.zst" or "zip".
inline std::string archive_bytes(const NamedBytes& files, const std::string& kind = "tar.gz") {
  std::size_t size = std::size_t{1} << 20;
  for (const auto& file : files) size += file.second.size() * 2 + 4096;
  std::string bytes(size, '\0');
  std::size_t used = 0;
  archive* writer = archive_write_new();
  if (kind == "zip") {
    archive_write_set_format_zip(writer);
  } else {
    archive_write_set_format_pax_restricted(writer);
    if (kind == "tar.gz") archive_write_add_filter_gzip(writer);
    if (kind == "tar.bz2") archive_write_add_filter_bzip2(writer);
    if (kind == "tar.xz") archive_write_add_filter_xz(writer);
    if (kind == "tar.zst") archive_write_add_filter_zstd(writer);
  }
  EXPECT_EQ(archive_write_open_memory(writer, bytes.data(), bytes.size(), &used), ARCHIVE_OK);
  for (const auto& [name, content] : files) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, name.c_str());
    archive_entry_set_filetype(entry, name.ends_with('/') ? AE_IFDIR : AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, static_cast<la_int64_t>(content.size()));
    EXPECT_EQ(archive_write_header(writer, entry), ARCHIVE_OK);
    EXPECT_EQ(archive_write_data(writer, content.data(), content.size()), static_cast<la_ssize_t>(content.size()));
    archive_entry_free(entry);
  }
  EXPECT_EQ(archive_write_close(writer), ARCHIVE_OK);
  archive_write_free(writer);
  bytes.resize(used);
  return bytes;
}

}  // namespace convmixer::testing_support
