/// The least time a machine needs for a network's multiply-adds: what a measured step is compared with.
#pragma once

#include "convmixer/graph/work.hpp"

#include <cstdint>

namespace convmixer::perf {

/// FLOP per second, a multiply-add being two.
struct Peaks {
  double matrix = 0.0;  ///< of matrix products in the step's precision
  double fma = 0.0;     ///< of f32 multiply-adds between registers
};

/// images * 2 * (work.matrix / peaks.matrix + work.depthwise / peaks.fma), nothing else counted: no memory traffic, no
/// norms, no GELUs. Depthwise convolutions of bf16 pairs (vdpbf16ps) go beyond the f32 peak that they are counted at: a
/// step in bf16 may even be faster than this.
[[nodiscard]] inline double ideal_seconds(const Work& work, std::int64_t images, const Peaks& peaks) {
  const double matrix = 2.0 * static_cast<double>(work.matrix) / peaks.matrix;
  const double depthwise = 2.0 * static_cast<double>(work.depthwise) / peaks.fma;
  return static_cast<double>(images) * (matrix + depthwise);
}

}  // namespace convmixer::perf
