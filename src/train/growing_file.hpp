/// Files of a run folder, read while another process may be writing them: nothing is locked, and nothing is believed.
#pragma once

#include "core/descriptor.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace convmixer {

/// Which file it is and when it was written: another one when it was replaced or has grown.
struct FileStamp {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::int64_t bytes = 0;
  std::int64_t modified = 0;  ///< nanoseconds since 1970

  bool operator==(const FileStamp&) const = default;
};

/// Nothing if there is no file. Throws Error naming it for anything that is no file of its folder: a link that leads
/// out of it, a folder, a pipe.
[[nodiscard]] std::optional<FileStamp> stamp_of(const std::filesystem::path& file);

/// A whole small file. Throws Error naming it if it is no file of its folder, can't be read or has more bytes.
[[nodiscard]] std::string read_small_file(const std::filesystem::path& file, std::int64_t most_bytes);

/// The whole lines of a file that grows: read() gives those that have come since it was last called.
class GrowingFile {
 public:
  enum class Change {
    none,
    grown,
    anew,  ///< it became another file or a shorter one, and is read from its beginning
  };
  /// Is given each line without its line break, and its number from 1. Of lines of more than kMostLineBytes only
  /// the beginning is given.
  using Use = std::function<void(std::string_view line, std::int64_t number)>;

  static constexpr std::int64_t kMostLineBytes = 1 << 20;
  static constexpr std::int64_t kMostBytes = std::int64_t{1} << 30;

  explicit GrowingFile(std::filesystem::path file) : file_(std::move(file)) {}

  /// Calls `restart` before the first line of a file that is read anew, then `use` for each line. A last line without
  /// its line break is left for the next call. A missing file has no lines. Throws Error as stamp_of, and for a file
  /// that can't be read or has more than kMostBytes.
  Change read(const std::function<void()>& restart, const Use& use);

  /// As the file was when it was last read.
  [[nodiscard]] const std::optional<FileStamp>& stamp() const noexcept { return stamp_; }

 private:
  void read_lines(const Descriptor& descriptor, const Use& use);
  /// What stands before the first line that wasn't read.
  [[nodiscard]] std::string read_before(const Descriptor& descriptor) const;

  std::filesystem::path file_;
  std::optional<FileStamp> stamp_;
  std::int64_t offset_ = 0;  ///< of the first line that wasn't read
  std::int64_t lines_ = 0;   ///< before it
  std::string before_;       ///< as it was read: a file that was made anew may have the inode of the one before
};

}  // namespace convmixer
