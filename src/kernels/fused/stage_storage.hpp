/// How the fused stages keep values in memory, in each precision, and the words for it; more are in HACKING.md.
///
///   channel block   32 channels. Tensors of the stages lie image by image, and in an image channel block by channel
///                   block: the 32 channels of each pixel side by side. The last one may have channels that only pad
///                   it.
///   group           16 channels: what an AVX-512 vector holds, half a channel block. See channel_group.hpp.
///   lane            the place of one channel in a vector; with vectors of 8 lanes, a group takes two.
///   word            32 bits of values that are multiplied and added up at once: one f32, or two bf16 that lie side by
///                   side in the dimension that is summed up, the first in the lower half (vdpbf16ps adds both products
///                   to an f32 sum). Beside the last of an odd number of bf16 is a 0. Words are passed as `float`,
///                   whatever is in them.
///
///     values   v0 v1 v2 v3 v4     words   f32  v0 | v1 | v2 | v3 | v4     bf16  v0 v1 | v2 v3 | v4 0
///
/// What a matrix product reads has rows of pixels too, see RowLayout.
#pragma once

#include <cstddef>
#include <cstdint>

namespace convmixer::kernels {

/// Channels that lie side by side in a stage's tensors, a channel block: a cache line of 16-bit values.
inline constexpr std::size_t kChannelBlock = 32;

/// Channels padded to whole channel blocks; the padding holds zeros.
[[nodiscard]] constexpr std::size_t padded_channels(std::size_t channels) {
  return (channels + kChannelBlock - 1) / kChannelBlock * kChannelBlock;
}

/// Where a matrix's rows lie, in elements: element (r, c) at r * row + c / 32 * block + c % 32.
struct RowLayout {
  std::size_t row;
  std::size_t block;
};

/// A bfloat16: 8 bits of precision, the range of f32.
struct Bf16 {
  std::uint16_t bits;
};

/// An IEEE binary16: 11 bits of precision. Activations fit its range (up to 65,504, where they are cut off), and what
/// backward recomputes from them is eight times closer to f32 than from bf16.
struct Half {
  std::uint16_t bits;
};

/// GELU's derivative as its distance from 1/2, between 0 and 0.6290, in steps of 1/400: its rounding error, at most
/// 0.00125, is below that of a bf16 near 1. It lies on the side of 1/2 that the sign of the value tells.
struct DerivativeCode {
  static constexpr float kScale = 400.0F;
  std::uint8_t code;
};

/// What stands between a stage's convolution and its norm. Kernels, tensors and comments are named after GELU, the
/// usual one; ReLU has its values and derivatives in the same places.
enum class StageActivation { gelu, relu };

struct F32Storage {
  using Operand = float;         ///< read by matrix products; gradients between stages
  using Value = float;           ///< activations kept for backward
  using GeluDerivative = float;  ///< GELU's derivative
  static constexpr std::size_t kValuesPerWord = 1;
};

struct Bf16Storage {
  using Operand = Bf16;
  using Value = Half;
  using GeluDerivative = DerivativeCode;
  static constexpr std::size_t kValuesPerWord = 2;
};

/// For the stem in bf16 plans. Norms make the sum of the gradients after a GELU 0, so that a bias's gradient is what
/// the derivatives' differences leave of it: little where the pre-activations are small, as they are in the stem.
/// Rounded to 1/400, derivatives were 4% of that; in a binary16 they cost one tensor 2 bytes per value instead of 1.
struct Bf16StemStorage {
  using Operand = Bf16;
  using Value = Half;
  using GeluDerivative = Half;
  static constexpr std::size_t kValuesPerWord = 2;
};

/// Words of `count` values.
template <class Storage>
[[nodiscard]] constexpr std::size_t words_of(std::size_t count) {
  return (count + Storage::kValuesPerWord - 1) / Storage::kValuesPerWord;
}

}  // namespace convmixer::kernels
