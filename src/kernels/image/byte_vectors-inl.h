// Bytes as vectors of 32-bit integers; included once for each instruction set.
#if defined(CONVMIXER_KERNELS_BYTE_VECTORS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CONVMIXER_KERNELS_BYTE_VECTORS_INL_H
#undef CONVMIXER_KERNELS_BYTE_VECTORS_INL_H
#else
#define CONVMIXER_KERNELS_BYTE_VECTORS_INL_H
#endif

#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace convmixer::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// D is a tag of std::int32_t.
template <class D>
HWY_INLINE hn::Vec<D> load_bytes(D d, const std::uint8_t* from) {
  const hn::Rebind<std::uint8_t, D> bytes;
  return hn::PromoteTo(d, hn::LoadU(bytes, from));
}

/// Values below 0 become 0, above 255 become 255.
template <class D>
HWY_INLINE void store_bytes(D /*d*/, hn::Vec<D> values, std::uint8_t* to) {
  const hn::Rebind<std::uint8_t, D> bytes;
  hn::StoreU(hn::DemoteTo(bytes, values), bytes, to);
}

/// Calls step(tag of float, first place) so that all places from 0 to `count` are covered. Where the last vector isn't
/// full it begins earlier and covers places again: results must not depend on what was written. Fewer places than a
/// vector has are covered one by one.
template <typename Step>
HWY_INLINE void for_each_vector(std::size_t count, const Step& step) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  if (count < lanes) {
    const hn::CappedTag<float, 1> one;
    for (std::size_t i = 0; i < count; ++i) step(one, i);
    return;
  }
  for (std::size_t i = 0; i + lanes <= count; i += lanes) step(d, i);
  if (count % lanes != 0) step(d, count - lanes);
}

}  // namespace convmixer::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per target
