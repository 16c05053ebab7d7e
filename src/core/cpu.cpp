#include "convmixer/core/cpu.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>
#include <string_view>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace convmixer {

namespace {

// Those that decide which kernels run, as /proc/cpuinfo names them (x86, then Arm).
constexpr std::array<std::string_view, 14> kInteresting = {
    "sse4_1",      "avx2",        "fma",      "avx_vnni", "avx512f", "avx512bw", "avx512vl",
    "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16", "asimd",   "sve",      "bf16"};

CpuInfo read_cpu_info() {
  CpuInfo info{.model = "unknown CPU", .instructions = {}};
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line) && !line.empty();) {  // the first processor's block
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::string value = line.substr(std::min(colon + 2, line.size()));
    if (line.starts_with("model name")) info.model = value;
    if (line.starts_with("flags") || line.starts_with("Features")) {
      std::istringstream words(value);
      for (std::string word; words >> word;) {
        if (std::ranges::find(kInteresting, word) != kInteresting.end()) info.instructions.push_back(word);
      }
    }
  }
  return info;
}

#if defined(__x86_64__)
constexpr unsigned kFlushBits = 0x8040;  // FTZ (bit 15) and DAZ (bit 6)
#endif

}  // namespace

const CpuInfo& cpu_info() {
  static const CpuInfo info = read_cpu_info();
  return info;
}

void flush_denormals_to_zero() noexcept {
#if defined(__x86_64__)
  _mm_setcsr(_mm_getcsr() | kFlushBits);
#endif
}

bool flushes_denormals_to_zero() noexcept {
#if defined(__x86_64__)
  return (_mm_getcsr() & kFlushBits) == kFlushBits;
#else
  return false;
#endif
}

}  // namespace convmixer
