/// How fast this machine's arithmetic is at its best, measured: what every other speed is compared with.
#pragma once

#include "kernels/onednn.hpp"

#include <chrono>
#include <string>

namespace convmixer::kernels {

struct Peak {
  double flops;                ///< per second, a multiply-add being two
  std::string implementation;  ///< oneDNN's name, or Highway's for the instruction set
};

/// The best run of oneDNN's products of matrices, of some sizes and as a pointwise convolution, within `time`, on all
/// threads. Sums and results are f32.
[[nodiscard]] Peak matrix_peak(Runtime& runtime, ElementType type, std::chrono::duration<double> time);

/// The best run of f32 multiply-adds between registers within `time`, on all threads.
[[nodiscard]] Peak fma_peak(Runtime& runtime, std::chrono::duration<double> time);

}  // namespace convmixer::kernels
