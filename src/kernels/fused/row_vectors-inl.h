// A row's channels as vectors, and their sums; included once for each instruction set.
// Sizes (channel block, group): see "Words" in HACKING.md.
#if defined(CONVMIXER_KERNELS_ROW_VECTORS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CONVMIXER_KERNELS_ROW_VECTORS_INL_H
#undef CONVMIXER_KERNELS_ROW_VECTORS_INL_H
#else
#define CONVMIXER_KERNELS_ROW_VECTORS_INL_H
#endif

#include "kernels/fused/stage_element-inl.h"
#include "kernels/plain/channel_group.hpp"

#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <array>
#include <cstddef>

HWY_BEFORE_NAMESPACE();
namespace convmixer::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Rows added up in f32 before the sums go to double.
constexpr std::size_t kStageRowsInF32 = 32;

/// sums[i] += values[i] for each lane.
HWY_INLINE void add_to_doubles(StageVector values, double* sums) {
  const StageFloats d;
#if HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86
  if constexpr (sizeof(values.raw) == 64) {
    const __m512d low = _mm512_cvtps_pd(_mm512_castps512_ps256(values.raw));
    const __m512d high = _mm512_cvtps_pd(_mm512_extractf32x8_ps(values.raw, 1));
    _mm512_storeu_pd(sums, _mm512_add_pd(_mm512_loadu_pd(sums), low));
    _mm512_storeu_pd(sums + 8, _mm512_add_pd(_mm512_loadu_pd(sums + 8), high));
    return;
  }
#endif
  alignas(64) std::array<float, kGroup> lanes;
  hn::StoreU(values, d, lanes.data());
  for (std::size_t i = 0; i < hn::Lanes(d); ++i) sums[i] += static_cast<double>(lanes[i]);
}

/// How many vectors the channels of `kGroups` groups of 16 are.
template <std::size_t kGroups>
constexpr std::size_t kRowVectors = kGroups* kGroup / hn::MaxLanes(StageFloats());

/// Asks for what a stream will read some rows later: tensors of a stage lie in one piece, channel block after channel
/// block and image after image, but the hardware's prefetchers stop at each page.
constexpr std::size_t kPrefetchBytes = 2048;
template <typename T>
HWY_INLINE void prefetch_ahead(const T* at) {
  hwy::Prefetch(reinterpret_cast<const std::byte*>(at) + kPrefetchBytes);
}

/// A coefficient of each channel; the loops keep every vector in a register.
template <std::size_t kVectors>
struct RowCoefficients {
  explicit RowCoefficients(const float* from) {
    const StageFloats d;
    HWY_UNROLL(4)
    for (std::size_t i = 0; i < kVectors; ++i) vectors[i] = hn::LoadU(d, from + i * hn::Lanes(d));
  }
  StageVector vectors[kVectors];
};

template <std::size_t kVectors>
HWY_INLINE void set_zero(StageVector (&sums)[kVectors]) {
  HWY_UNROLL(4)
  for (StageVector& sum : sums) sum = hn::Zero(StageFloats());
}

template <std::size_t kVectors>
HWY_INLINE void add_to_doubles(const StageVector (&values)[kVectors], double* sums) {
  HWY_UNROLL(4)
  for (std::size_t i = 0; i < kVectors; ++i) add_to_doubles(values[i], sums + i * hn::Lanes(StageFloats()));
}

}  // namespace convmixer::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per target
