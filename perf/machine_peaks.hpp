/// What this machine can do at best, measured once for all operations.
#pragma once

#include "cost.hpp"
#include "peaks/peak.hpp"

#include <chrono>
#include <optional>
#include <string>

namespace convmixer::perf {

struct MachinePeaks {
  Bandwidth memory;
  Peak fma;
  Peak matrix_f32;
  std::optional<Peak> matrix_bf16;  ///< where it is wanted

  [[nodiscard]] const Peak& matrix(kernels::ElementType type) const {
    return type == kernels::ElementType::f32 ? matrix_f32 : matrix_bf16.value();
  }
  [[nodiscard]] Roofs roofs(kernels::ElementType type) const { return {matrix(type).flops, fma.flops, memory.bytes}; }
};

/// Takes `time` for each of them.
[[nodiscard]] inline MachinePeaks measure_machine_peaks(kernels::Runtime& runtime, std::chrono::duration<double> time,
                                                        bool with_bf16) {
  MachinePeaks peaks{memory_peak(runtime, time), fma_peak(runtime, time),
                     matrix_peak(runtime, kernels::ElementType::f32, time), std::nullopt};
  if (with_bf16) peaks.matrix_bf16 = matrix_peak(runtime, kernels::ElementType::bf16, time);
  return peaks;
}

}  // namespace convmixer::perf
