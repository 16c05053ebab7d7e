/// GELU, forward and gradient, as hand-written kernels, to f32's rounding.
///
/// Why not oneDNN's: its version 2 writes what type it reads, so that a bf16 plan, whose pre-activations are f32 while
/// the products that read the results want bf16, would need a conversion of each, which takes as long as the GELU
/// itself.
#pragma once

#include "kernels/plain/typed_values.hpp"

#include <cstdint>

namespace convmixer::kernels {

/// dst[i] = gelu(src[i]) for i in [0, count). dst may be src if it is f32.
void gelu(Runtime& runtime, std::int64_t count, const float* src, const WrittenValues& dst);
/// diff_src[i] = diff_dst[i] * gelu'(src[i]). diff_src may be diff_dst if both have one type.
void gelu_gradient(Runtime& runtime, std::int64_t count, const float* src, const ReadValues& diff_dst,
                   const WrittenValues& diff_src);

}  // namespace convmixer::kernels
