/// How the fused stages keep values in memory, in each precision.
///
/// Tensors of the stages lie image by image, and in an image block by block: 32 channels of all pixels, side by side.
/// What a matrix product reads has rows of pixels too, see RowLayout.
#pragma once

#include <cstddef>
#include <cstdint>

namespace convmixer::kernels {

/// Channels that lie side by side in a stage's tensors: a cache line of 16-bit values.
inline constexpr std::size_t kChannelBlock = 32;

/// Channels padded to whole blocks; the padding holds zeros.
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

struct F32Storage {
  using Operand = float;         ///< read by matrix products; gradients between stages
  using Value = float;           ///< activations kept for backward
  using GeluDerivative = float;  ///< GELU's derivative
  /// Values in a 32-bit word, which products and depthwise convolutions multiply and add up at once.
  static constexpr std::size_t kValuesPerWord = 1;
};

struct Bf16Storage {
  using Operand = Bf16;
  using Value = Half;
  using GeluDerivative = DerivativeCode;
  static constexpr std::size_t kValuesPerWord = 2;  // two bf16
};

/// For the stem in bf16 plans. Norms make the sum of the gradients behind a GELU 0, so that a bias's gradient is what
/// the derivatives' differences leave of it: little where the pre-activations are small, as they are behind the stem.
/// Rounded to 1/400, derivatives were 4% of that; in a binary16 they cost one tensor 2 bytes per value instead of 1.
struct Bf16StemStorage {
  using Operand = Bf16;
  using Value = Half;
  using GeluDerivative = Half;
  static constexpr std::size_t kValuesPerWord = 2;
};

}  // namespace convmixer::kernels
