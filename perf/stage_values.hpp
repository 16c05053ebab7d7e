/// What fused stages keep in memory (kernels/fused/stage_storage.hpp) in double and back: for inputs with values that
/// are known and results that are compared.
#pragma once

#include "convmixer/core/precision.hpp"
#include "kernels/fused/stage_storage.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace convmixer::perf {

[[nodiscard]] inline double number(float value) { return static_cast<double>(value); }
[[nodiscard]] inline double number(double value) { return value; }
[[nodiscard]] inline double number(kernels::Bf16 value) { return static_cast<double>(from_bf16(value.bits)); }
/// Of finite numbers: NaN and infinities come out as the large numbers that their bits would be.
[[nodiscard]] inline double number(kernels::Half value) {
  const int exponent = (value.bits >> 10) & 31;
  const int fraction = value.bits & 1023;
  const double magnitude = exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
  return (value.bits & 0x8000) != 0 ? -magnitude : magnitude;
}

/// GELU's derivative where its value is `value`: a code says nothing of the side of 1/2 on which it lies.
template <typename GeluDerivative, typename Value>
[[nodiscard]] double derivative_number(GeluDerivative gelu_derivative, Value /*value*/) {
  return number(gelu_derivative);
}
template <typename Value>
[[nodiscard]] double derivative_number(kernels::DerivativeCode gelu_derivative, Value value) {
  return 0.5 +
         std::copysign(gelu_derivative.code / static_cast<double>(kernels::DerivativeCode::kScale), number(value));
}

inline void assign(float value, float& to) { to = value; }
inline void assign(float value, kernels::Bf16& to) { to.bits = to_bf16(value); }
/// For |value| below 65,504.
inline void assign(float value, kernels::Half& to) {
  const float magnitude = std::abs(value);
  const int exponent = std::max(magnitude > 0.0F ? std::ilogb(magnitude) : -14, -14);
  // In units of the last place; 1,024 of them are the hidden bit, and a carry is right as it comes.
  const auto units = static_cast<unsigned>(std::nearbyint(std::ldexp(magnitude, 10 - exponent)));
  to.bits = static_cast<std::uint16_t>(units + (static_cast<unsigned>(exponent + 14) << 10));
  if (std::signbit(value)) to.bits |= 0x8000;
}
/// `value` is the derivative of a positive GELU.
inline void assign(float value, kernels::DerivativeCode& to) {
  to.code = static_cast<std::uint8_t>(std::lround(std::abs(value - 0.5F) * kernels::DerivativeCode::kScale));
}

}  // namespace convmixer::perf
