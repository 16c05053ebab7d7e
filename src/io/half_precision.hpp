/// IEEE 754's binary16, the F16 of files.
#pragma once

#include <bit>
#include <cstdint>

namespace convmixer {

/// Value of a binary16 bit pattern, exact.
[[nodiscard]] inline float from_f16(std::uint16_t bits) noexcept {
  const std::uint32_t sign = (bits & 0x8000U) << 16;
  const std::uint32_t exponent = (bits >> 10) & 0x1fU;
  const std::uint32_t mantissa = bits & 0x3ffU;
  if (exponent == 0) {  // zero and subnormal numbers, all normal in f32: multiples of 2^-24
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(magnitude) | sign);
  }
  const std::uint32_t wide = exponent == 0x1fU ? 0xffU : exponent + 127U - 15U;
  return std::bit_cast<float>(sign | (wide << 23) | (mantissa << 13));
}

/// Nearest binary16 bit pattern, ties to even: infinity from 65520 on, where 65536 would be nearer than the largest
/// number, 65504. NaN stays NaN.
[[nodiscard]] inline std::uint16_t to_f16(float value) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = bits >> 16 & 0x8000U;
  const std::uint32_t magnitude = bits & 0x7fffffffU;
  std::uint32_t rounded = 0;
  if (magnitude > 0x7f800000U) {
    rounded = 0x7e00U | (magnitude >> 13 & 0x3ffU);
  } else if (magnitude >= std::bit_cast<std::uint32_t>(65520.0F)) {
    rounded = 0x7c00U;
  } else if (magnitude < std::bit_cast<std::uint32_t>(0x1p-14F)) {
    // Subnormal: a multiple of 2^-24, which is the distance of f32 numbers from 1/2 on.
    const float sum = std::bit_cast<float>(magnitude) + 0.5F;
    rounded = std::bit_cast<std::uint32_t>(sum) - std::bit_cast<std::uint32_t>(0.5F);
  } else {
    rounded = (magnitude + 0xfffU + (magnitude >> 13 & 1U) - ((127U - 15U) << 23)) >> 13;
  }
  return static_cast<std::uint16_t>(sign | rounded);
}

}  // namespace convmixer
