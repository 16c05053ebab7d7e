/// A file that records are appended to while work goes on, each of them whole.
#pragma once

#include <filesystem>
#include <string_view>

namespace convmixer {

class AppendedFile {
 public:
  enum class Open {
    anew,   ///< a file that isn't there yet
    at_end  ///< one that may be there, which keeps what it has
  };

  /// Where that fails, valid() is false and errno says why.
  AppendedFile(const std::filesystem::path& path, Open how);
  ~AppendedFile();
  AppendedFile(const AppendedFile&) = delete;
  AppendedFile& operator=(const AppendedFile&) = delete;

  [[nodiscard]] bool valid() const noexcept { return descriptor_ >= 0; }

  /// In one write, so that a process that is killed leaves at most the last record torn. Throws Error naming the file,
  /// which then is as it was before.
  void append(std::string_view record);
  /// Returns when the records are on the disk. Throws Error naming the file.
  void sync();

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
};

}  // namespace convmixer
