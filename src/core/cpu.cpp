#include "convmixer/core/cpu.hpp"

#include "core/ascii.hpp"
#include "core/first_line.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <map>
#include <sstream>
#include <string_view>
#include <system_error>
#include <utility>

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

/// The first line of a small file; empty if there is none.
/// One cache as /sys/devices/system/cpu/cpu0/cache/index3 describes it.
struct Cache {
  int level = 0;
  std::size_t bytes = 0;
};

Cache read_cache(const std::filesystem::path& folder) {
  Cache cache;
  const std::string level = first_line(folder / "level");
  const std::string size = first_line(folder / "size");  // "32768K"
  std::string_view level_text = level;
  std::string_view size_text = size;
  cache.level = take_number<int>(level_text).value_or(0);
  cache.bytes = take_number<std::size_t>(size_text).value_or(0);
  const char unit = size_text.empty() ? ' ' : size_text.front();
  cache.bytes <<= (unit == 'K' ? 10U : unit == 'M' ? 20U : unit == 'G' ? 30U : 0U);
  return cache;
}

#if defined(__x86_64__)
constexpr unsigned kFlushBits = 0x8040;  // FTZ (bit 15) and DAZ (bit 6)
#endif

}  // namespace

const CpuInfo& cpu_info() {
  static const CpuInfo info = read_cpu_info();
  return info;
}

std::size_t last_level_cache_bytes(const std::filesystem::path& root) {
  namespace fs = std::filesystem;
  constexpr std::size_t kUnknown = std::size_t{32} << 20;
  std::map<std::pair<int, std::string>, std::size_t> caches;  // by level and the processors that share it
  std::error_code none;
  for (const auto& cpu : fs::directory_iterator(root / "sys/devices/system/cpu", none)) {
    for (const auto& index : fs::directory_iterator(cpu.path() / "cache", none)) {
      if (first_line(index.path() / "type") == "Instruction") continue;
      const Cache cache = read_cache(index.path());
      if (cache.bytes > 0) caches[{cache.level, first_line(index.path() / "shared_cpu_list")}] = cache.bytes;
    }
  }
  if (caches.empty()) return kUnknown;
  const int last = caches.rbegin()->first.first;
  std::size_t sum = 0;
  for (const auto& [where, bytes] : caches) sum += where.first == last ? bytes : 0;
  return sum;
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

FlushedDenormals::FlushedDenormals() noexcept {
#if defined(__x86_64__)
  before_ = _mm_getcsr();
  if ((before_ & kFlushBits) != kFlushBits) _mm_setcsr(before_ | kFlushBits);
#endif
}

FlushedDenormals::~FlushedDenormals() {
#if defined(__x86_64__)
  if ((before_ & kFlushBits) != kFlushBits) _mm_setcsr(before_);
#endif
}

}  // namespace convmixer
