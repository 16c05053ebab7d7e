/// Group normalisation, forward and gradient, as hand-written kernels.
///
/// Why not oneDNN's: the releases that are supported here don't have all of it (none before 3.3, no bf16 in front of
/// f32). Here an image is read again while it is in the cache, and summed as in batch_norm.hpp: 16 values in f32, the
/// rest in double, in a fixed order.
#pragma once

#include "kernels/onednn/onednn.hpp"

#include <cstddef>

namespace convmixer::kernels {

/// Number of doubles that the kernels need as working memory for a tensor of this shape.
[[nodiscard]] std::size_t group_norm_doubles(const Layout& layout);

/// What is normalised together: C / groups channels of an image.
struct GroupNormProblem {
  int groups;
  float epsilon;
};

/// Memory of the forward kernel. src is f32 (N, C, H, W), dst of any type in src's order; scale and shift f32 (C).
struct GroupNormForward {
  const float* src;
  void* dst;        ///< may be src if that has its type
  float* mean;      ///< written, (N, groups)
  float* variance;  ///< written, biased, (N, groups)
  const float* scale;
  const float* shift;
  double* working;
};

/// dst = scale * (src - mean) / sqrt(variance + epsilon) + shift, with mean and variance over the channels of a group,
/// H and W: Wu & He, arXiv 1803.08494. `src` is plain, channels-last or blocked.
void group_norm_forward(Runtime& runtime, const Layout& src, ElementType dst_type, const GroupNormProblem& problem,
                        const GroupNormForward& memory);

/// Memory of the gradient. src and diff_src are f32 (N, C, H, W); diff_dst of any type in their order; mean and
/// variance f32 (N, groups); the rest f32 (C).
struct GroupNormBackward {
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

/// With xhat = (src - mean) / sqrt(variance + epsilon), and m values in a group:
///   diff_shift = sum diff_dst,  diff_scale = sum diff_dst * xhat  over N, H, W;
///   g = scale * diff_dst,  diff_src = (g - sum g / m - xhat * sum (g * xhat) / m) / sqrt(variance + epsilon)
/// with sums over the image's group.
void group_norm_backward(Runtime& runtime, const Layout& src, ElementType diff_dst_type,
                         const GroupNormProblem& problem, const GroupNormBackward& memory);

}  // namespace convmixer::kernels
