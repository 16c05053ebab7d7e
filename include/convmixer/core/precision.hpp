/// The arithmetic a plan computes in.
#pragma once

#include <bit>
#include <cstdint>
#include <string_view>

namespace convmixer {

/// f32: everything in IEEE single precision. bf16: what convolutions read - activations, weights, gradients of outputs
/// - in bfloat16 with f32 accumulation; pre-activations, norms, statistics, the classifier, weights, their gradients
/// and optimiser state in f32.
enum class Precision { f32, bf16 };

[[nodiscard]] constexpr std::string_view to_string(Precision precision) noexcept {
  return precision == Precision::f32 ? "f32" : "bf16";
}

/// Value of a bfloat16 bit pattern (exact).
[[nodiscard]] inline float from_bf16(std::uint16_t bits) noexcept {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

/// Nearest bfloat16 bit pattern, ties to even; NaN stays NaN.
[[nodiscard]] inline std::uint16_t to_bf16(float value) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffffU) > 0x7f800000U) return static_cast<std::uint16_t>((bits >> 16) | 0x40U);
  return static_cast<std::uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
}

}  // namespace convmixer
