/// Layer normalisation, forward and gradient, as hand-written kernels.
///
/// Why not oneDNN's: it normalises the innermost dimension alone, which the channels of a blocked image are not; its
/// version 2 writes what type it reads, so that a bf16 plan would need a conversion of each result; and it adds up a
/// thread's rows for the gradients of scale and shift in one f32 each, thousands of them, so that these are as inexact
/// as its batch norm's (batch_norm.hpp) and depend on the number of threads. Here 16 rows are added in f32, the rest in
/// double, in a fixed order.
#pragma once

#include "kernels/onednn/onednn.hpp"

#include <cstddef>
#include <cstdint>

namespace convmixer::kernels {

/// Whether the kernels take tensors that lie like this: (N, T, D) and (N, D) row-major, (N, C, H, W) channels-last or
/// in blocks of 16. A row is what is normalised: the D features of a token, the channels of a pixel.
[[nodiscard]] bool has_rows(const Layout& layout);
/// Number of rows: N T, N, N H W.
[[nodiscard]] std::int64_t layer_norm_rows(const Layout& layout);

/// src is f32, dst of any type in src's order; mean and inverse deviation are f32 by row and written, the rest f32 (D).
struct LayerNormForward {
  const float* src;
  void* dst;  ///< may be src if f32
  float* mean;
  float* inverse_deviation;
  const float* scale;
  const float* shift;
};

/// dst = scale (src - mean) / sqrt(variance + epsilon) + shift, with a row's mean and biased variance: Ba, Kiros &
/// Hinton, arXiv 1607.06450. `src` is a layout that has_rows().
void layer_norm(Runtime& runtime, const Layout& src, ElementType dst_type, float epsilon,
                const LayerNormForward& memory);

/// src and diff_src are f32, diff_dst of any type in their order; mean and inverse deviation are what forward wrote.
struct LayerNormBackward {
  const float* src;
  const float* mean;
  const float* inverse_deviation;
  const float* scale;
  const void* diff_dst;
  const float* addend;  ///< a gradient that the input has from elsewhere; not read unless asked for
  float* diff_src;      ///< may be diff_dst if that is f32, and addend
  float* diff_scale;
  float* diff_shift;
  double* working;
};

/// Number of doubles that the gradient needs as working memory for a tensor of this layout.
[[nodiscard]] std::size_t layer_norm_backward_doubles(const Layout& layout);

/// With xhat = (src - mean) * inverse deviation and g = scale * diff_dst, means over the row's features:
///   diff_shift = sum over rows of diff_dst,  diff_scale = sum over rows of diff_dst * xhat,
///   diff_src = inverse deviation * (g - mean(g) - xhat * mean(g * xhat)), plus addend if `adds`.
void layer_norm_backward(Runtime& runtime, const Layout& src, ElementType diff_dst_type, bool adds,
                         const LayerNormBackward& memory);

}  // namespace convmixer::kernels
