/// Batch normalisation, forward and gradient, as hand-written kernels.
///
/// Why not oneDNN's: it adds up all n = N * H * W values of a channel in one f32. In a ConvMixer the gradient that
/// arrives at a norm is nearly constant over an image, what is left after subtracting its mean is small, and the
/// rounding of that sum showed as 5e-4 of the next bias's gradient (n = 1,024; PyTorch, which sums in double: 1e-5).
/// Here 16 values are added in f32, the rest in double, in a fixed order: the result is the same for any number of
/// threads. And it reads f32 and writes bf16, where oneDNN's would need a conversion of its own.
#pragma once

#include "kernels/onednn/onednn.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace convmixer::kernels {

/// Number of doubles that the kernels need as working memory for a tensor of this shape.
[[nodiscard]] std::size_t batch_norm_doubles(const Layout& layout);

/// Memory of the forward kernels. src is f32 (N, C, H, W), dst of any type in src's order; the rest is f32 (C).
struct BatchNormForward {
  const float* src;
  void* dst;
  float* mean;      ///< training: written
  float* variance;  ///< training: written, biased
  const float* scale;
  const float* shift;
  double* working;
};

/// dst = scale * (src - mean) / sqrt(variance + epsilon) + shift: Ioffe & Szegedy, arXiv 1502.03167. Training takes
/// mean and variance over N, H, W of src; inference reads them. `src` is plain, channels-last or blocked.
void batch_norm_training(Runtime& runtime, const Layout& src, ElementType dst_type, float epsilon,
                         const BatchNormForward& memory);
void batch_norm_inference(Runtime& runtime, const Layout& src, ElementType dst_type, float epsilon,
                          const BatchNormForward& memory);

/// Memory of the gradient. src and diff_src are f32 (N, C, H, W); diff_dst of any type in their order; the rest f32
/// (C).
struct BatchNormBackward {
  const float* src;
  const float* mean;
  const float* variance;
  const float* scale;
  const void* diff_dst;
  float* diff_src;  ///< may be diff_dst if that is f32
  float* diff_scale;
  float* diff_shift;
  double* working;
};

/// With xhat = (src - mean) / sqrt(variance + epsilon) and n = N * H * W:
///   diff_shift = sum diff_dst,  diff_scale = sum diff_dst * xhat,
///   diff_src = scale / sqrt(variance + epsilon) * (diff_dst - diff_shift / n - xhat * diff_scale / n).
void batch_norm_backward(Runtime& runtime, const Layout& src, ElementType diff_dst_type, float epsilon,
                         const BatchNormBackward& memory);
/// The same where mean and variance don't depend on src: diff_src = scale / sqrt(variance + epsilon) * diff_dst.
void batch_norm_inference_backward(Runtime& runtime, const Layout& src, ElementType diff_dst_type, float epsilon,
                                   const BatchNormBackward& memory);

}  // namespace convmixer::kernels
