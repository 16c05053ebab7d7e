/// What fused stages keep in memory, in double and back, and how far rounding to it may be off: for their plain twins.
#pragma once

#include "convmixer/core/precision.hpp"
#include "convmixer/core/rng.hpp"
#include "kernels/fused/stage_storage.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
#include <numbers>
#include <string>
#include <type_traits>
#include <vector>

namespace convmixer::testing_support {

using kernels::Bf16;
using kernels::DerivativeCode;
using kernels::Half;

// ---- memory ----

/// A std::vector that begins at a cache line, as tensors of plans do.
template <typename T>
struct CacheLineAllocator {
  using value_type = T;
  static constexpr std::align_val_t kAlignment{64};
  CacheLineAllocator() = default;
  template <typename Other>
  CacheLineAllocator(const CacheLineAllocator<Other>& /*other*/) {}
  T* allocate(std::size_t count) { return static_cast<T*>(::operator new(count * sizeof(T), kAlignment)); }
  void deallocate(T* at, std::size_t /*count*/) { ::operator delete(at, kAlignment); }
  friend bool operator==(const CacheLineAllocator&, const CacheLineAllocator&) { return true; }
};
template <typename T>
using Values = std::vector<T, CacheLineAllocator<T>>;

/// Memory with a pattern that no kernel writes: is_untouched() tells what has been left alone.
constexpr unsigned char kPattern = 0xcd;
template <typename T>
[[nodiscard]] Values<T> untouched(std::size_t count) {
  Values<T> values(count);
  std::memset(static_cast<void*>(values.data()), kPattern, count * sizeof(T));
  return values;
}
template <typename T>
[[nodiscard]] bool is_untouched(const T& value) {
  unsigned char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  for (const unsigned char byte : bytes) {
    if (byte != kPattern) return false;
  }
  return true;
}

// ---- numbers ----

[[nodiscard]] inline double number(float value) { return static_cast<double>(value); }
[[nodiscard]] inline double number(Bf16 value) { return static_cast<double>(from_bf16(value.bits)); }
[[nodiscard]] inline double number(Half value) {
  const int exponent = (value.bits >> 10) & 31;
  const double fraction = (value.bits & 1023) / 1024.0;
  const double magnitude = exponent == 0    ? std::ldexp(fraction, -14)
                           : exponent == 31 ? std::numeric_limits<double>::infinity()
                                            : std::ldexp(1.0 + fraction, exponent - 15);
  return (value.bits & 0x8000) != 0 ? -magnitude : magnitude;
}

/// GELU's derivative where its value is `value`.
template <typename Value>
[[nodiscard]] double derivative_number(float gelu_derivative, Value /*value*/) {
  return number(gelu_derivative);
}
template <typename Value>
[[nodiscard]] double derivative_number(Half gelu_derivative, Value /*value*/) {
  return number(gelu_derivative);
}
template <typename Value>
[[nodiscard]] double derivative_number(DerivativeCode gelu_derivative, Value value) {
  return 0.5 + std::copysign(gelu_derivative.code / 400.0, number(value));
}

inline void assign(double value, float& to) { to = static_cast<float>(value); }
inline void assign(double value, Bf16& to) { to.bits = to_bf16(static_cast<float>(value)); }
/// Finite numbers in its range.
inline void assign(double value, Half& to) {
  const double magnitude = std::abs(value);
  const int exponent = std::max(magnitude > 0.0 ? std::ilogb(magnitude) : -14, -14);
  // In units of the last place; 1024 of them are the hidden bit, and a carry is right as it comes.
  const auto units = static_cast<unsigned>(std::nearbyint(std::ldexp(magnitude, 10 - exponent)));
  const unsigned bits = units + (static_cast<unsigned>(exponent + 14) << 10);
  to.bits = static_cast<std::uint16_t>(bits | (std::signbit(value) ? 0x8000U : 0U));
}
/// A derivative on the side of 1/2 that the value's sign tells.
inline void assign(double gelu_derivative, DerivativeCode& to) {
  to.code = static_cast<std::uint8_t>(std::lround(std::abs(gelu_derivative - 0.5) * 400.0));
}

// ---- rounding ----

/// Half a unit in the last place of f32, relative to a number's size. A sum of n products is off by at most
/// about n + 1 times this, relative to the sum of their sizes (Higham, "Accuracy and Stability", section 3.1).
constexpr double kF32 = 0x1p-24;
constexpr double kBf16 = 0x1p-8;  // of a bf16

/// How far a number is off at most when it is stored.
[[nodiscard]] inline double stored_error(double value, float /*as*/) { return kF32 * std::abs(value); }
[[nodiscard]] inline double stored_error(double value, Bf16 /*as*/) { return 0x1p-8 * std::abs(value); }
[[nodiscard]] inline double stored_error(double value, Half /*as*/) { return 0x1p-11 * std::abs(value) + 0x1p-25; }
[[nodiscard]] inline double stored_error(double /*value*/, DerivativeCode /*as*/) { return 0.5 / 400.0; }

// ---- GELU ----

[[nodiscard]] inline double gelu(double x) { return 0.5 * x * std::erfc(-x / std::numbers::sqrt2); }
[[nodiscard]] inline double exact_gelu_derivative(double x) {
  const double density = std::exp(-0.5 * x * x) / std::sqrt(2.0 * std::numbers::pi);
  return 0.5 * std::erfc(-x / std::numbers::sqrt2) + x * density;
}
/// The largest of |gelu'| and |gelu''|, at sqrt(2) and 0.
constexpr double kSteepestGelu = 1.129;
constexpr double kSteepestGeluDerivative = 0.798;

/// How far the kernels' GELU is off before it is stored. In f32 and for the stem: the distribution's formula within
/// 7.5e-8 (Abramowitz & Stegun, 7.1.26) and some six roundings of numbers up to 1. In bf16 plans: pieces of parabolas,
/// below the rounding of what they are stored as.
template <class Storage>
[[nodiscard]] double gelu_error(double x) {
  return std::is_same_v<Storage, kernels::Bf16Storage> ? 2e-4 + 4 * kF32 * std::abs(x)
                                                       : (7.5e-8 + 6 * kF32) * std::abs(x);
}
template <class Storage>
[[nodiscard]] double gelu_derivative_error(double /*x*/) {
  return std::is_same_v<Storage, kernels::Bf16Storage> ? 3e-4 : 7.5e-8 + 6 * kF32;
}

// ---- inputs ----

template <typename T>
[[nodiscard]] Values<T> random_values(std::size_t count, std::uint64_t seed, double scale = 1.0) {
  Rng rng(seed, RandomStream::synthetic_data);
  Values<T> values(count);
  for (T& value : values) assign(scale * static_cast<double>(rng.normal()), value);
  return values;
}
/// What a GELU keeps for backward: its values and derivatives.
template <class Storage>
struct Activations {
  Values<typename Storage::Value> value;
  Values<typename Storage::GeluDerivative> gelu_derivative;

  Activations(std::size_t count, std::uint64_t seed) : value(count), gelu_derivative(count) {
    const Values<float> x = random_values<float>(count, seed);
    for (std::size_t i = 0; i < count; ++i) {
      assign(gelu(number(x[i])), value[i]);
      assign(exact_gelu_derivative(number(x[i])), gelu_derivative[i]);
    }
  }
};

// ---- comparison ----

/// The largest error of many values, each in units of what it may be off.
class Errors {
 public:
  void add(double actual, double expected, double allowed, std::size_t at) {
    if (actual == expected) return;
    const double error = std::abs(actual - expected) / allowed;
    if (error <= largest_) return;
    largest_ = std::isnan(error) ? std::numeric_limits<double>::infinity() : error;
    where_ = fmt::format("at {}: {}, expected {} within {}", at, actual, expected, allowed);
  }
  [[nodiscard]] double largest() const { return largest_; }
  [[nodiscard]] const std::string& where() const { return where_; }

 private:
  double largest_ = 0.0;
  std::string where_;
};
#define EXPECT_WITHIN_ROUNDING(errors) EXPECT_LE((errors).largest(), 1.0) << (errors).where()

}  // namespace convmixer::testing_support
