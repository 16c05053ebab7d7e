#include "convmixer/core/aligned_buffer.hpp"
#include "convmixer/core/cpu.hpp"
#include "peaks/best_time.hpp"
#include "peaks/peak.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

// Compiled once for each instruction set: see fma_peak.cpp. The order of these lines matters.
// clang-format off
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "peaks/memory_peak.cpp"
#include <hwy/foreach_target.h>
#include <hwy/cache_control.h>
#include <hwy/highway.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace convmixer::perf::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// `count` is a multiple of 16, `a` is aligned to 64 bytes if `past_caches`.
void triad(float* HWY_RESTRICT a, const float* HWY_RESTRICT b, const float* HWY_RESTRICT c, float s, std::size_t count,
           bool past_caches) {
  const hn::CappedTag<float, 16> d;
  const auto factor = hn::Set(d, s);
  const auto element = [&](std::size_t i) { return hn::MulAdd(factor, hn::LoadU(d, c + i), hn::LoadU(d, b + i)); };
  if (past_caches) {
    for (std::size_t i = 0; i < count; i += hn::Lanes(d)) hn::Stream(element(i), d, a + i);
    hwy::FlushStream();
  } else {
    for (std::size_t i = 0; i < count; i += hn::Lanes(d)) hn::StoreU(element(i), d, a + i);
  }
}

const char* instructions() { return hwy::TargetName(HWY_TARGET); }

}  // namespace convmixer::perf::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace convmixer::perf {

HWY_EXPORT(triad);
HWY_EXPORT(instructions);

namespace {

/// A thread's turn: long enough for the hardware's prefetching, short enough that no thread waits long for the last.
constexpr std::size_t kPartFloats = std::size_t{1} << 17;

/// Floats of each array: the three together are four times the caches, within bounds that any such machine has.
std::size_t array_floats() {
  constexpr std::size_t kLeastBytes = std::size_t{192} << 20;
  constexpr std::size_t kMostBytes = std::size_t{2} << 30;
  constexpr std::size_t kTimesCaches = 4;
  const std::size_t bytes = std::clamp(kTimesCaches * last_level_cache_bytes(), kLeastBytes, kMostBytes);
  return bytes / 3 / sizeof(float) / kPartFloats * kPartFloats;
}

}  // namespace

void stream_triad(kernels::Runtime& runtime, std::span<float> a, std::span<const float> b, std::span<const float> c,
                  float s, bool past_caches) {
  constexpr std::size_t kVector = 16;
  const std::size_t parts = (a.size() + kPartFloats - 1) / kPartFloats;
  runtime.parallel_for(static_cast<std::int64_t>(parts), [&](std::int64_t part) {
    const std::size_t begin = static_cast<std::size_t>(part) * kPartFloats;
    const std::size_t end = std::min(begin + kPartFloats, a.size());
    const std::size_t vectors_end = begin + (end - begin) / kVector * kVector;
    HWY_DYNAMIC_DISPATCH(triad)
    (a.data() + begin, b.data() + begin, c.data() + begin, s, vectors_end - begin, past_caches);
    for (std::size_t i = vectors_end; i < end; ++i) a[i] = b[i] + s * c[i];
  });
}

Bandwidth memory_peak(kernels::Runtime& runtime, std::chrono::duration<double> time) {
  const std::size_t count = array_floats();
  AlignedBuffer a(count * sizeof(float));
  AlignedBuffer b(count * sizeof(float));
  AlignedBuffer c(count * sizeof(float));
  std::ranges::fill(b.as<float>(), 1.0F);
  std::ranges::fill(c.as<float>(), 2.0F);
  Bandwidth best{0.0, ""};
  for (const bool past_caches : {true, false}) {
    const double seconds = best_time(
        time / 2, [&] { stream_triad(runtime, a.as<float>(), b.as<float>(), c.as<float>(), 0.5F, past_caches); });
    const double bytes = 3.0 * sizeof(float) * static_cast<double>(count);
    if (bytes / seconds <= best.bytes) continue;
    best = {bytes / seconds, fmt::format("{}, writes {} the caches", HWY_DYNAMIC_DISPATCH(instructions)(),
                                         past_caches ? "past" : "through")};
  }
  return best;
}

}  // namespace convmixer::perf
#endif
