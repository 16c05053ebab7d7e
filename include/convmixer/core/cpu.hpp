/// What this processor is and can do.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace convmixer {

struct CpuInfo {
  std::string model;                      ///< as the operating system names it
  std::vector<std::string> instructions;  ///< of avx2, fma, avx512f, avx512_bf16, amx_bf16, ...: those present
};

[[nodiscard]] const CpuInfo& cpu_info();

/// Bytes of the highest level of caches, all of them together (a socket or a group of cores has one each); 32 MiB if
/// the operating system doesn't say. `root` stands before /sys, for tests.
[[nodiscard]] std::size_t last_level_cache_bytes(const std::filesystem::path& root = "/");

/// Makes the calling thread, and threads it starts later, flush denormal results and operands to zero
/// (MXCSR FTZ and DAZ). Denormals make the tail of a training many times slower.
void flush_denormals_to_zero() noexcept;

/// Whether the calling thread flushes denormals.
[[nodiscard]] bool flushes_denormals_to_zero() noexcept;

/// Flushes denormals in the calling thread until the end of the scope.
class FlushedDenormals {
 public:
  FlushedDenormals() noexcept;
  ~FlushedDenormals();
  FlushedDenormals(const FlushedDenormals&) = delete;
  FlushedDenormals& operator=(const FlushedDenormals&) = delete;

 private:
  unsigned before_ = 0;
};

}  // namespace convmixer
