/// Memory that a disk can take over: an unnamed file, mapped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

namespace convmixer {

/// Zeros at first; gone with the object. For results that may be larger than the machine's memory.
class ScratchFile {
 public:
  /// Throws Error naming the folder when the file can't be made there or its disk is full.
  ScratchFile(const std::filesystem::path& folder, std::size_t bytes);
  ~ScratchFile();
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;

  [[nodiscard]] std::span<std::uint8_t> bytes() const noexcept { return {data_, size_}; }

 private:
  std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace convmixer
