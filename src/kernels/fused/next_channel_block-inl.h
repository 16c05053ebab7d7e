// Asking for memory ahead of time; included once for each instruction set.
// Sizes (channel block): see "Words" in HACKING.md.
#if defined(CONVMIXER_KERNELS_NEXT_CHANNEL_BLOCK_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CONVMIXER_KERNELS_NEXT_CHANNEL_BLOCK_INL_H
#undef CONVMIXER_KERNELS_NEXT_CHANNEL_BLOCK_INL_H
#else
#define CONVMIXER_KERNELS_NEXT_CHANNEL_BLOCK_INL_H
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <array>
#include <cstddef>

HWY_BEFORE_NAMESPACE();
namespace convmixer::kernels::HWY_NAMESPACE {

/// Asks for a stage's next operands while the multiply-adds run, into the second-level cache. A tensor lies in one
/// piece, channel block after channel block and image after image, so that the next operand follows the one at hand:
///
///     ... | at hand | next | ...
///           `bytes`   fetched, a part with each row of the convolution
template <std::size_t kStreams>
class NextChannelBlock {
 public:
  /// The channel blocks at hand of `kStreams` tensors, and how often row() will be called.
  NextChannelBlock(std::array<const void*, kStreams> at, std::array<std::size_t, kStreams> bytes, std::size_t rows) {
    for (std::size_t i = 0; i < kStreams; ++i) {
      at_[i] = static_cast<const std::byte*>(at[i]) + bytes[i];
      end_[i] = at_[i] + bytes[i];
      step_[i] = (bytes[i] / kLine + rows - 1) / rows * kLine;
    }
  }
  HWY_INLINE void row() {
    for (std::size_t i = 0; i < kStreams; ++i) {
      const std::byte* const end = std::min(at_[i] + step_[i], end_[i]);
      for (; at_[i] < end; at_[i] += kLine) __builtin_prefetch(at_[i], 0, 2);
    }
  }

 private:
  static constexpr std::size_t kLine = 64;  // bytes of a cache line
  const std::byte* at_[kStreams];
  const std::byte* end_[kStreams];
  std::size_t step_[kStreams];
};

}  // namespace convmixer::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per target
