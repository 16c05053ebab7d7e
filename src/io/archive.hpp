/// Files out of an archive, read through libarchive: tar of any kind or zip, packed with gzip, bzip2, xz, zstd or not.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace convmixer {

struct ArchiveFile {
  std::string name;  ///< as in the archive, folders included, whatever the locale is
  std::string bytes;
};

/// What to do with a file of an archive.
enum class ArchiveChoice {
  take,  ///< read it
  skip,
  stop,  ///< look no further
};

/// Asks `choose` about each regular file in turn, by its name, and returns those to take. `where` names the archive in
/// messages. Throws Error for what is no archive, for an entry whose name can't be told, for more than `most_bytes` in
/// the files taken, for an archive that unpacks to more than 16 GiB, and for one that is cut off or damaged: the
/// checksums of its format are verified, over all of it unless `choose` stops (zip: those of the files taken; a tar
/// that isn't compressed has none of contents).
[[nodiscard]] std::vector<ArchiveFile> read_archive(std::span<const std::byte> archive, const std::string& where,
                                                    std::size_t most_bytes,
                                                    const std::function<ArchiveChoice(const std::string&)>& choose);

}  // namespace convmixer
