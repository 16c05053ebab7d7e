/// Weight gradient of depthwise convolutions, as a hand-written kernel.
///
/// oneDNN compiles one for kernels up to 3 wide only; ConvMixer's 5 to 9 fall to generic code at 2% of the machine's
/// peak, half of a training step in every framework built on it.
#pragma once

#include "kernels/onednn/onednn.hpp"

#include <cstddef>

namespace convmixer::kernels {

/// Memory of one call. src is (N, C, H, W), diff_dst (N, C, H', W') in the same order, each f32 or bf16; the gradients
/// are f32 and row-major: diff_weights (C, 1, K, K), diff_bias (C).
struct DepthwiseWeightGradient {
  const void* src;
  const void* diff_dst;
  float* diff_weights;
  float* diff_bias;
  double* working;
};

/// Whether the kernel can do it: one filter per channel, stride 1, and a layout it knows.
[[nodiscard]] bool has_depthwise_weight_gradient(const ConvolutionProblem& problem, const Layout& src,
                                                 const Layout& diff_dst);

/// Number of doubles that a call needs as working memory.
[[nodiscard]] std::size_t depthwise_weight_gradient_doubles(const Runtime& runtime, const ConvolutionProblem& problem);

/// diff_weights[c, i, j] = sum over n, h, w of diff_dst[n, c, h, w] * src[n, c, h + i - begin, w + j - begin], zero
/// outside; diff_bias[c] = sum of diff_dst[n, c]. Sums over an image in f32, over images in double, in a fixed order:
/// the result is the same for any number of threads.
void depthwise_weight_gradient(Runtime& runtime, const ConvolutionProblem& problem, const Layout& src,
                               const Layout& diff_dst, const DepthwiseWeightGradient& memory);

}  // namespace convmixer::kernels
