/// GELU in pieces, for instruction sets that look a table of 16 numbers up for 16 lanes at once.
#pragma once

#include <array>
#include <cstddef>

namespace convmixer::kernels {

/// For stages whose results are rounded to 16 bits anyway: 16 segments of parabolas.
/// gelu(x) = x / 2 + f(|x|) and gelu'(x) = 1 / 2 + sign(x) f'(|x|) with f(x) = x (Phi(x) - 1/2). On segment i, around
/// i * width, f is value[0][i] + value[1][i] x + value[2][i] x^2, and f' likewise of `gelu_derivative`; the last
/// segment, which goes on to infinity, has f = x / 2. Interpolated at Chebyshev's points: f within 2e-4, f' within
/// 3e-4.
struct GeluTable {
  static constexpr std::size_t kSegments = 16;
  static constexpr float kWidth = 0.28F;

  alignas(64) std::array<std::array<float, kSegments>, 3> value;
  alignas(64) std::array<std::array<float, kSegments>, 3> gelu_derivative;
};

/// To f32's rounding: gelu(x) = x / 2 + |x| q(|x|) and gelu'(x) = 1 / 2 + sign(x) (q(|x|) + |x| q'(|x|)) with
/// q(x) = Phi(x) - 1/2, the sum of coefficient[k][i] (x / width - i)^k on segment i, around i * width; the last
/// segment, which goes on to infinity, has q = 1/2. Interpolated at Chebyshev's points: with f32's rounding q
/// is off by at most 5e-8, the derivative by 1.2e-7.
struct FineGeluTable {
  static constexpr std::size_t kSegments = 16;
  static constexpr std::size_t kDegree = 6;
  static constexpr float kWidth = 0.4F;

  alignas(64) std::array<std::array<float, kSegments>, kDegree + 1> coefficient;
};

/// Computed at the first call.
[[nodiscard]] const GeluTable& gelu_table();
[[nodiscard]] const FineGeluTable& fine_gelu_table();

}  // namespace convmixer::kernels
