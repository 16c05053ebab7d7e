// 32-bit words of stages' values: an f32 or two bf16, the first in the lower half. Included once for each instruction
// set.
#if defined(CONVMIXER_KERNELS_STAGE_WORD_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CONVMIXER_KERNELS_STAGE_WORD_INL_H
#undef CONVMIXER_KERNELS_STAGE_WORD_INL_H
#else
#define CONVMIXER_KERNELS_STAGE_WORD_INL_H
#endif

#include "kernels/fused/stage_element-inl.h"
#include "kernels/plain/channel_group.hpp"

HWY_BEFORE_NAMESPACE();
namespace convmixer::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using WordFloats = hn::CappedTag<float, kGroup>;  // words are held as floats, whatever is in them
using WordBits = hn::RebindToUnsigned<WordFloats>;
using WordVector = hn::Vec<WordFloats>;

/// sum + first * second, word by word: in bf16 both products.
template <class Storage>
HWY_INLINE WordVector multiply_add_words(WordVector first, WordVector second, WordVector sum) {
  if constexpr (Storage::kValuesPerWord == 1) {
    return hn::MulAdd(first, second, sum);
  } else {
#if CONVMIXER_NATIVE_BF16
    if constexpr (sizeof(sum.raw) == 64) {
      asm("vdpbf16ps %2, %1, %0" : "+v"(sum.raw) : "v"(first.raw), "v"(second.raw));
      return sum;
    }
#endif
    const WordBits bits;
    const WordFloats d;
    const auto low = [&](WordVector words)
                         HWY_ATTR { return hn::BitCast(d, hn::ShiftLeft<16>(hn::BitCast(bits, words))); };
    const auto high = [&](WordVector words) HWY_ATTR {
      return hn::BitCast(d, hn::And(hn::BitCast(bits, words), hn::Set(bits, 0xffff0000U)));
    };
    return hn::MulAdd(low(first), low(second), hn::MulAdd(high(first), high(second), sum));
  }
}

/// Half of a bf16 word in the making: rounded to nearest (ties away from zero) once the lower bits are cut off.
using HalfWord = hn::Vec<WordBits>;
HWY_INLINE HalfWord half_word(WordVector value) {
  const WordBits bits;
  return hn::Add(hn::BitCast(bits, value), hn::Set(bits, 0x8000U));
}
HWY_INLINE HalfWord no_value() { return hn::Zero(WordBits()); }
HWY_INLINE WordVector word_of(HalfWord first, HalfWord second) {
  const WordBits bits;
  return hn::BitCast(WordFloats(), hn::OrAnd(hn::ShiftRight<16>(first), second, hn::Set(bits, 0xffff0000U)));
}

}  // namespace convmixer::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per target
