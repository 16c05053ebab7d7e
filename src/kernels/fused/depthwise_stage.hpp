/// The depthwise convolution of a fused stage with what surrounds it, for one image and one block of channels, in the
/// first- and second-level cache: normalise - convolve - GELU forward, and all of its gradients backward.
///
/// oneDNN's depthwise weight gradient knows no kernel wider than 3; its other depthwise primitives read and write whole
/// tensors where these touch what is in cache anyway. In bf16, where oneDNN's convert to f32, these round the input,
/// the filters and the gradient behind the convolution to bf16 and multiply pairs of pixels that lie side by side in a
/// row (vdpbf16ps, sums in f32): 3 instructions for a row of 5 taps, 4 for 7, 5 for 9.
#pragma once

#include "kernels/fused/norm_stage.hpp"
#include "kernels/fused/stage_storage.hpp"

#include <cstddef>
#include <span>
#include <vector>

namespace convmixer::kernels {

/// Stride 1, output as large as the input. Sizes in pixels.
struct DepthwiseGeometry {
  std::size_t height;
  std::size_t width;
  std::size_t kernel;
  std::size_t padding_begin;  ///< zero rows above and columns left; the rest of kernel - 1 below and right

  friend bool operator==(const DepthwiseGeometry&, const DepthwiseGeometry&) = default;
};

/// Working memory of one task at a time. Zero borders stay in place from call to call.
class DepthwiseScratch {
 public:
  /// Floats for any of these geometries.
  [[nodiscard]] static std::size_t floats(const DepthwiseGeometry& geometry);
  /// `memory` outlives it.
  explicit DepthwiseScratch(std::span<float> memory) : memory_(memory) {}

  /// Images of 16 channels. `begin` is the zero padding before the image in both directions.
  struct Areas {
    float* padded;  ///< first word of the padded image: in bf16, of each pixel with the one to its right
    float* plain;   ///< words of an unpadded image: in bf16, of pixels 0 and 1, 2 and 3, ... of each row
    float* tile;    ///< floats of an unpadded image; may be written up to 16 pixels beyond its end
    std::size_t padded_width;
  };
  Areas prepare(const DepthwiseGeometry& geometry, std::size_t begin);

 private:
  std::span<float> memory_;
  DepthwiseGeometry zeroed_{};
  std::size_t zeroed_begin_ = 0;
};

/// A stage's filters, ordered for the kernels: (block, half of 16 channels, row, word, channel), a word being one tap
/// or a bf16 pair of a row's neighbours, the first in its lower half; behind the last of an odd number is 0. Padding
/// channels are zero. `flipped` is the order that the data gradient needs. `weights` is (C, 1, k, k).
template <class Storage>
void pack_depthwise(std::span<const float> weights, std::size_t channels, std::size_t kernel, bool flipped,
                    std::span<float> packed);
/// Adds up each task's sums in the order of tasks: (task, block, half, tap and bias, channel) to (C, 1, k, k) and (C).
void unpack_depthwise_gradient(std::span<const double> sums, std::size_t tasks, std::size_t channels,
                               std::size_t kernel, std::span<float> diff_weights, std::span<float> diff_bias);
/// Words of a row of a filter.
template <class Storage>
[[nodiscard]] constexpr std::size_t depthwise_row_words(std::size_t kernel) {
  return (kernel + Storage::kValuesPerWord - 1) / Storage::kValuesPerWord;
}
/// Words of one block's filters, and doubles of one block's gradient sums in one task.
template <class Storage>
[[nodiscard]] constexpr std::size_t packed_depthwise_size(std::size_t kernel) {
  return kChannelBlock * kernel * depthwise_row_words<Storage>(kernel);
}
[[nodiscard]] constexpr std::size_t depthwise_sums_size(std::size_t kernel) {
  return kChannelBlock * (kernel * kernel + 1);
}

/// u = depthwise(scale src + shift) + bias; value = gelu(u), derivative = gelu'(u).
template <class Storage>
struct DepthwiseForward {
  DepthwiseGeometry geometry;
  const typename Storage::Value* src;
  const float* scale;
  const float* shift;
  const float* filters;  ///< packed, of the block
  const float* bias;
  typename Storage::Value* value;
  typename Storage::GeluDerivative* gelu_derivative;
  MomentSums moments;
};
void depthwise_forward(const DepthwiseForward<F32Storage>& arguments, DepthwiseScratch& scratch);
void depthwise_forward(const DepthwiseForward<Bf16Storage>& arguments, DepthwiseScratch& scratch);

/// The whole branch at inference, with the residual and without a tensor in between: with u as in DepthwiseForward,
/// dst = branch_scale gelu(u) + scale src + out_shift.
template <class Storage>
struct DepthwiseInference {
  DepthwiseGeometry geometry;
  const typename Storage::Value* src;
  const float* scale;
  const float* shift;
  const float* filters;  ///< packed, of the block
  const float* bias;
  const float* branch_scale;
  const float* out_shift;
  typename Storage::Operand* dst;  ///< rows of 32
  std::size_t stride;              ///< between them
};
void depthwise_inference(const DepthwiseInference<F32Storage>& arguments, DepthwiseScratch& scratch);
void depthwise_inference(const DepthwiseInference<Bf16Storage>& arguments, DepthwiseScratch& scratch);

/// With du = (a gradient + b value + c) derivative, the gradient before the GELU: adds the filters' and the bias's
/// gradients to `sums`, and puts gradient + depthwise'(du), the sum of the branch's and the residual's, over
/// `gradient`, with the sums that the norm before the convolution needs: see GradientSums.
template <class Storage>
struct DepthwiseBackward {
  DepthwiseGeometry geometry;
  typename Storage::Operand* gradient;
  const typename Storage::Value* value;
  const typename Storage::GeluDerivative* gelu_derivative;
  const float* a;
  const float* b;
  const float* c;
  const float* filters;  ///< packed and flipped, of the block
  const typename Storage::Value* src;
  const float* src_scale;
  const float* src_shift;
  const float* src_mean;
  double* sums;  ///< depthwise_sums_size(): (half, tap and bias, channel)
  double* first;
  double* second;
};
void depthwise_backward(const DepthwiseBackward<F32Storage>& arguments, DepthwiseScratch& scratch);
void depthwise_backward(const DepthwiseBackward<Bf16Storage>& arguments, DepthwiseScratch& scratch);

}  // namespace convmixer::kernels
