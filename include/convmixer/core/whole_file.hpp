/// A file that is there whole or not at all, for text that grows while work goes on.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>

namespace convmixer {

/// Written under a temporary name in the same folder, which it has until finish(); what stood at the path is untouched
/// until then. Links and permissions stay as they are with write_file_atomically (file.hpp). Nothing stays of a file
/// that isn't finished, also when a signal ends the process (train/stop_signal.hpp).
class WholeFile {
 public:
  /// Throws Error naming the path if the file can't be created, or something that isn't a file stands there.
  explicit WholeFile(const std::filesystem::path& path);
  ~WholeFile();
  WholeFile(const WholeFile&) = delete;
  WholeFile& operator=(const WholeFile&) = delete;

  /// Appends. Throws Error naming the path and the system's reason.
  void write(std::string_view text);
  void write(std::span<const std::byte> bytes);

  /// fsync, rename to the path, fsync of the folder. Throws Error likewise. Nothing is written afterwards.
  void finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace convmixer
