/// A file opened for reading, which is refused where it is no file: no pipe's other end is waited for.
#pragma once

#include "core/descriptor.hpp"

#include <cstddef>
#include <filesystem>

namespace convmixer {

class FileToRead {
 public:
  /// Throws Error naming the path and the system's reason; for a folder, a pipe or a device that something else than a
  /// file is there, at once: open(2) alone would wait for the other end of a named pipe.
  explicit FileToRead(const std::filesystem::path& path);

  [[nodiscard]] const Descriptor& descriptor() const noexcept { return descriptor_; }
  /// As it was opened.
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

 private:
  Descriptor descriptor_;
  std::size_t bytes_ = 0;
};

}  // namespace convmixer
