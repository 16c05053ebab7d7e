/// Files: mapped for reading, written whole or not at all.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace convmixer {

/// A file mapped read-only for the object's lifetime.
class MappedFile {
 public:
  /// Throws Error naming the path and the system's reason, at once where something else than a file is there.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Reads a whole text file. Throws Error as a MappedFile does; for text that a user names, which may be a pipe, see
/// given_text.hpp.
[[nodiscard]] std::string read_text_file(const std::filesystem::path& path);

/// Throws Error, as write_file_atomically would, if a file can't be put at `path`: no such folder, no permission, or
/// something that isn't a file stands there. For what is written after hours of work.
void require_writable(const std::filesystem::path& path);

/// Replaces `path` by the concatenated parts: temporary file in the same folder, fsync, rename, fsync of
/// the folder. Where `path` is a symbolic link, that is what it leads to, a file that may not be there yet, and the
/// link stays; a file that was there gives the new one its permissions. On any failure (full disk, no permission)
/// throws Error, removes the temporary file, and what stood at `path` is untouched. A file beyond `ulimit -f` is such a
/// failure in programs that ignore SIGXFSZ, as convmixer does (standard_streams.hpp); in others the signal ends the
/// process.
void write_file_atomically(const std::filesystem::path& path, std::span<const std::span<const std::byte>> parts);
void write_file_atomically(const std::filesystem::path& path, std::string_view text);

}  // namespace convmixer
