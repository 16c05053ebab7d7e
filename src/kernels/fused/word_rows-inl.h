// Rows of pixels written as words, see depthwise_scratch.hpp; included once for each instruction set.
// Sizes (group, word): see "Words" in HACKING.md.
#if defined(CONVMIXER_KERNELS_WORD_ROWS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CONVMIXER_KERNELS_WORD_ROWS_INL_H
#undef CONVMIXER_KERNELS_WORD_ROWS_INL_H
#else
#define CONVMIXER_KERNELS_WORD_ROWS_INL_H
#endif

#include "kernels/fused/stage_word-inl.h"
#include "kernels/plain/channel_group.hpp"

#include <cstddef>

HWY_BEFORE_NAMESPACE();
namespace convmixer::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Calls pixel(x), which returns floats, for each x of a row of the padded image, whose first pixel's word is `at`:
///
///     f32     p0 | p1 | p2                  bf16     0 p0 | p0 p1 | p1 p2 | p2 0
///             ^ at                                          ^ at
///
/// In bf16 the word before the first pixel is written where the image `is_padded` on the left.
template <class Storage, typename Pixel>
HWY_INLINE void put_padded_row(std::size_t width, bool is_padded, float* at, const Pixel& pixel) {
  const WordFloats d;
  if constexpr (Storage::kValuesPerWord == 1) {
    for (std::size_t x = 0; x < width; ++x) hn::StoreU(pixel(x), d, at + x * kGroup);
  } else {
    UpperBf16 left = upper_bf16(pixel(0));
    if (is_padded) hn::StoreU(word_of(no_bf16(), left), d, at - kGroup);
    for (std::size_t x = 1; x < width; ++x) {
      const UpperBf16 right = upper_bf16(pixel(x));
      hn::StoreU(word_of(left, right), d, at + (x - 1) * kGroup);
      left = right;
    }
    hn::StoreU(word_of(left, no_bf16()), d, at + (width - 1) * kGroup);
  }
}

/// Likewise a row of the plain image:
///
///     f32     p0 | p1 | p2                  bf16     p0 p1 | p2 0
template <class Storage, typename Pixel>
HWY_INLINE void put_plain_row(std::size_t width, float* at, const Pixel& pixel) {
  const WordFloats d;
  if constexpr (Storage::kValuesPerWord == 1) {
    for (std::size_t x = 0; x < width; ++x) hn::StoreU(pixel(x), d, at + x * kGroup);
  } else {
    std::size_t x = 0;
    for (; x + 2 <= width; x += 2) {
      const UpperBf16 left = upper_bf16(pixel(x));
      hn::StoreU(word_of(left, upper_bf16(pixel(x + 1))), d, at + x / 2 * kGroup);
    }
    if (x < width) hn::StoreU(word_of(upper_bf16(pixel(x)), no_bf16()), d, at + x / 2 * kGroup);
  }
}

}  // namespace convmixer::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per target
