/// How much memory this process has.
#pragma once

#include <cstdint>
#include <filesystem>

namespace convmixer {

/// In bytes, as the system counts what is in RAM: mapped files among it.
struct ProcessMemory {
  std::int64_t resident = 0;
  std::int64_t peak =
      0;  ///< the most it was; not getrusage's, which begins at that of the program that started this one
};

/// Now. Throws Error where the system doesn't tell. `status` is read for it; tests give their own.
[[nodiscard]] ProcessMemory process_memory(const std::filesystem::path& status = "/proc/self/status");

}  // namespace convmixer
