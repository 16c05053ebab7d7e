/// How fast this machine's arithmetic and memory are at their best, measured: what every other speed is compared with.
#pragma once

#include "kernels/onednn/onednn.hpp"

#include <chrono>
#include <span>
#include <string>

namespace convmixer::perf {

struct Peak {
  double flops;                ///< per second, a multiply-add being two
  std::string implementation;  ///< oneDNN's name, or Highway's for the instruction set
};

/// The best run of oneDNN's products of matrices, of some sizes and as a pointwise convolution, within `time`, on all
/// threads. Sums and results are f32.
[[nodiscard]] Peak matrix_peak(kernels::Runtime& runtime, kernels::ElementType type,
                               std::chrono::duration<double> time);

/// The best run of f32 multiply-adds between registers within `time`, on all threads.
[[nodiscard]] Peak fma_peak(kernels::Runtime& runtime, std::chrono::duration<double> time);

struct Bandwidth {
  double bytes;                ///< per second, read and written ones alike
  std::string implementation;  ///< Highway's name for the instruction set, and the way of writing
};

/// The best run of a[i] = b[i] + s * c[i] over f32 arrays far larger than the caches within `time`, on all threads:
/// McCalpin's STREAM triad (https://www.cs.virginia.edu/stream/), 12 bytes an element. Writes go past the caches or
/// through them (memory is then read as well, uncounted, before it is overwritten): whichever is faster.
[[nodiscard]] Bandwidth memory_peak(kernels::Runtime& runtime, std::chrono::duration<double> time);

/// a[i] = b[i] + s * c[i] of one such run, for tests: on all threads; `past_caches` wants `a` aligned to 64 bytes.
void stream_triad(kernels::Runtime& runtime, std::span<float> a, std::span<const float> b, std::span<const float> c,
                  float s, bool past_caches);

}  // namespace convmixer::perf
