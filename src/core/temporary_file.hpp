/// Files under temporary names that nobody else's files have, and what is left of them by processes that were killed.
///
/// Process numbers don't keep two writers apart (in every container the first process is number 1), and say nothing
/// about which files are still being written. So names are random and made anew (O_EXCL), and a writer holds a lock on
/// its file (flock) until the file has its final name: what nobody holds is abandoned, in whichever container or on
/// whichever machine its writer was.
#pragma once

#include <filesystem>
#include <string_view>

namespace convmixer {

/// A new file ".convmixer-0123456789abcdef.part", to be given another name or to be gone with the object.
class TemporaryFile {
 public:
  /// Makes it, empty, open for reading and writing. Where that fails, valid() is false and errno says why.
  explicit TemporaryFile(const std::filesystem::path& folder);
  ~TemporaryFile();
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  [[nodiscard]] bool valid() const noexcept { return descriptor_ >= 0; }
  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

  /// What close(2) reports and fsync(2) may not: some file systems notice a full disk only then. The file stays open,
  /// and locked. False: errno says why.
  [[nodiscard]] bool flush() const noexcept;
  /// Replaces what is at `target`. False: errno says why, and the file keeps its name.
  [[nodiscard]] bool rename(const std::filesystem::path& target);

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
  int slot_ = -1;  // where signal handlers find the path
};

/// Removes the temporary files in a folder whose writers have ended. Files of others, of other names and what can't be
/// removed stay. Where files can't be locked, what wasn't written to for a day counts as abandoned.
void remove_abandoned_files(const std::filesystem::path& folder);

/// The temporary files of releases that named them after their process: "best.safetensors.1234.part".
[[nodiscard]] bool is_old_temporary_name(std::string_view name, std::string_view file);

/// Removes every temporary file of this process. For signal handlers, before they end the process.
void remove_temporary_files_of_this_process() noexcept;

}  // namespace convmixer
