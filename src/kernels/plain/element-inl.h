// Loading and storing f32 and bf16 elements as f32 vectors; included once for each instruction set.
#if defined(CONVMIXER_KERNELS_ELEMENT_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CONVMIXER_KERNELS_ELEMENT_INL_H
#undef CONVMIXER_KERNELS_ELEMENT_INL_H
#else
#define CONVMIXER_KERNELS_ELEMENT_INL_H
#endif

#include <hwy/highway.h>

#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace convmixer::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

template <class D>
HWY_INLINE hn::Vec<D> load(D d, const float* from) {
  return hn::LoadU(d, from);
}

/// bf16 bit patterns, widened exactly.
template <class D>
HWY_INLINE hn::Vec<D> load(D d, const std::uint16_t* from) {
  const hn::RebindToUnsigned<D> wide;
  const hn::Rebind<std::uint16_t, D> narrow;
  return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(wide, hn::LoadU(narrow, from))));
}

template <class D>
HWY_INLINE void store(hn::Vec<D> values, D d, float* to) {
  hn::StoreU(values, d, to);
}

/// Rounded to the nearest bf16, ties to even; finite values and infinities. (A NaN stays a NaN unless all of its upper
/// payload is zero, which arithmetic does not produce.)
template <class D>
HWY_INLINE void store(hn::Vec<D> values, D /*d*/, std::uint16_t* to) {
  const hn::RebindToUnsigned<D> wide;
  const hn::RebindToSigned<D> wide_signed;
  const hn::Rebind<std::uint16_t, D> narrow;
  const auto bits = hn::BitCast(wide, values);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(wide, 1U));
  const auto rounded = hn::ShiftRight<16>(hn::Add(bits, hn::Add(odd, hn::Set(wide, 0x7fffU))));
  hn::StoreU(hn::DemoteTo(narrow, hn::BitCast(wide_signed, rounded)), narrow, to);
}

}  // namespace convmixer::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per target
