/// GELU in pieces: 16 segments of parabolas, for stages whose results are rounded to 16 bits anyway.
#pragma once

#include <array>
#include <cstddef>

namespace convmixer::kernels {

/// gelu(x) = x / 2 + f(|x|) and gelu'(x) = 1 / 2 + sign(x) f'(|x|) with f(x) = x (Phi(x) - 1/2). On segment i, around
/// i * width, f is value[0][i] + value[1][i] x + value[2][i] x^2, and f' likewise of `slope`; the last segment, which
/// goes on to infinity, has f = x / 2. Interpolated at Chebyshev's points: f within 2e-4, f' within 3e-4.
struct GeluTable {
  static constexpr std::size_t kSegments = 16;
  static constexpr float kWidth = 0.28F;

  alignas(64) std::array<std::array<float, kSegments>, 3> value;
  alignas(64) std::array<std::array<float, kSegments>, 3> slope;
};

/// Computed at the first call.
[[nodiscard]] const GeluTable& gelu_table();

}  // namespace convmixer::kernels
