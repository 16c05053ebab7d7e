// Vectors of words (see stage_storage.hpp): multiplied, and put together of two bf16; included once for each
// instruction set.
// Sizes (word): see "Words" in HACKING.md.
#if defined(CONVMIXER_KERNELS_STAGE_WORD_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CONVMIXER_KERNELS_STAGE_WORD_INL_H
#undef CONVMIXER_KERNELS_STAGE_WORD_INL_H
#else
#define CONVMIXER_KERNELS_STAGE_WORD_INL_H
#endif

#include "kernels/fused/stage_element-inl.h"

HWY_BEFORE_NAMESPACE();
namespace convmixer::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
/// Words are held as floats, whatever is in them.
using WordFloats = StageFloats;
using WordVector = StageVector;
using WordBits = hn::RebindToUnsigned<WordFloats>;

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

/// A bf16 in the upper half of each lane's 32 bits; what is left of an f32 in the lower half is yet to be cut off.
using UpperBf16 = hn::Vec<WordBits>;
/// Rounded to nearest, ties away from zero.
HWY_INLINE UpperBf16 upper_bf16(WordVector value) {
  const WordBits bits;
  return hn::Add(hn::BitCast(bits, value), hn::Set(bits, 0x8000U));
}
/// The 0 beside the last of an odd number.
HWY_INLINE UpperBf16 no_bf16() { return hn::Zero(WordBits()); }
/// Words of two bf16.
HWY_INLINE WordVector word_of(UpperBf16 first, UpperBf16 second) {
  const WordBits bits;
  return hn::BitCast(WordFloats(), hn::OrAnd(hn::ShiftRight<16>(first), second, hn::Set(bits, 0xffff0000U)));
}

}  // namespace convmixer::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per target
