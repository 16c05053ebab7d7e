// Loading and storing what stages keep in memory as vectors of f32; included once for each instruction set.
// Sizes (group): see "Words" in HACKING.md.
#if defined(CONVMIXER_KERNELS_STAGE_ELEMENT_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CONVMIXER_KERNELS_STAGE_ELEMENT_INL_H
#undef CONVMIXER_KERNELS_STAGE_ELEMENT_INL_H
#else
#define CONVMIXER_KERNELS_STAGE_ELEMENT_INL_H
#endif

#include "kernels/fused/stage_storage.hpp"
#include "kernels/plain/channel_group.hpp"
#include "kernels/plain/element-inl.h"

#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace convmixer::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// The largest vectors that don't reach beyond a group of 16 channels.
using StageFloats = hn::CappedTag<float, kGroup>;
using StageVector = hn::Vec<StageFloats>;

// Highway up to 1.0.3 doesn't know the bf16 instructions. Kernels in bf16 run on AVX-512 only where it has them
// (bf16_target.hpp), so that they can be taken for granted there.
#undef CONVMIXER_NATIVE_BF16
#if HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86
#define CONVMIXER_NATIVE_BF16 1
#else
#define CONVMIXER_NATIVE_BF16 0
#endif

template <class D>
HWY_INLINE hn::Vec<D> load_stage(D d, const float* from) {
  return hn::LoadU(d, from);
}
template <class D>
HWY_INLINE hn::Vec<D> load_stage(D d, const Bf16* from) {
  return load(d, &from->bits);
}
template <class D>
HWY_INLINE hn::Vec<D> load_stage(D d, const Half* from) {
  const hn::Rebind<hwy::float16_t, D> narrow;
  return hn::PromoteTo(d, hn::LoadU(narrow, reinterpret_cast<const hwy::float16_t*>(from)));
}
/// GELU's derivative where its value is `value`.
template <class D>
HWY_INLINE hn::Vec<D> load_derivative(D d, const float* from, hn::Vec<D> /*value*/) {
  return hn::LoadU(d, from);
}
template <class D>
HWY_INLINE hn::Vec<D> load_derivative(D d, const Half* from, hn::Vec<D> /*value*/) {
  return load_stage(d, from);
}
template <class D>
HWY_INLINE hn::Vec<D> load_derivative(D d, const DerivativeCode* from, hn::Vec<D> value) {
  const hn::Rebind<std::uint8_t, D> narrow;
  const hn::RebindToSigned<D> wide;
  const auto code = hn::ConvertTo(d, hn::PromoteTo(wide, hn::LoadU(narrow, &from->code)));
  const auto sign = hn::BitCast(d, hn::Set(hn::RebindToUnsigned<D>(), 0x80000000U));
  const auto distance = hn::Or(code, hn::And(value, sign));
  return hn::MulAdd(distance, hn::Set(d, 1.0F / DerivativeCode::kScale), hn::Set(d, 0.5F));
}

template <class D>
HWY_INLINE void store_stage(hn::Vec<D> values, D d, float* to) {
  hn::StoreU(values, d, to);
}
/// Rounded to nearest even.
template <class D>
HWY_INLINE void store_stage(hn::Vec<D> values, D d, Bf16* to) {
#if CONVMIXER_NATIVE_BF16
  if constexpr (sizeof(values.raw) == 64) {
    __m256i rounded;
    asm("vcvtneps2bf16 %1, %0" : "=v"(rounded) : "v"(values.raw));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), rounded);
    return;
  }
#endif
  store(values, d, &to->bits);
}
/// Rounded to nearest even; cut off at the largest binary16.
template <class D>
HWY_INLINE void store_stage(hn::Vec<D> values, D d, Half* to) {
  const hn::Rebind<hwy::float16_t, D> narrow;
  constexpr float kLargest = 65504.0F;
  hn::StoreU(hn::DemoteTo(narrow, hn::Min(values, hn::Set(d, kLargest))), narrow,
             reinterpret_cast<hwy::float16_t*>(to));
}
template <class D>
HWY_INLINE void store_derivative(hn::Vec<D> values, D d, float* to) {
  hn::StoreU(values, d, to);
}
template <class D>
HWY_INLINE void store_derivative(hn::Vec<D> values, D d, Half* to) {
  store_stage(values, d, to);
}
/// `values` are distances from 1/2.
template <class D>
HWY_INLINE void store_derivative(hn::Vec<D> values, D d, DerivativeCode* to) {
  // Added to 2^23, a number's lowest mantissa bits are its nearest integer.
  constexpr float kToInteger = 8388608.0F;
  const hn::RebindToUnsigned<D> wide;
  const auto shifted =
      hn::BitCast(wide, hn::MulAdd(values, hn::Set(d, DerivativeCode::kScale), hn::Set(d, kToInteger)));
#if HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86
  if constexpr (sizeof(shifted.raw) == 64) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtepi32_epi8(shifted.raw));
    return;
  }
#endif
  const hn::Rebind<std::uint8_t, D> narrow;
  const hn::RebindToSigned<D> wide_signed;
  const auto code = hn::BitCast(wide_signed, hn::And(shifted, hn::Set(wide, 0xffU)));
  hn::StoreU(hn::DemoteTo(narrow, code), narrow, &to->code);
}

}  // namespace convmixer::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per target
