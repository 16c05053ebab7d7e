/// The depthwise convolution of a fused stage with what surrounds it, for one image and one channel block, in the
/// first- and second-level cache: normalise - convolve - GELU forward, and all of its gradients backward.
///
/// oneDNN's depthwise weight gradient knows no kernel wider than 3; its other depthwise primitives read and write whole
/// tensors where these touch what is in cache anyway. In bf16, where oneDNN's convert to f32, these round the input,
/// the filters and the gradient of the convolution's output to bf16 and multiply words of two pixels that lie side by
/// side in a row (vdpbf16ps, sums in f32): 3 instructions for a row of 5 taps, 4 for 7, 5 for 9.
/// Sizes (channel block, word): see "Words" in HACKING.md.
#pragma once

#include "kernels/fused/depthwise_filters.hpp"
#include "kernels/fused/depthwise_scratch.hpp"
#include "kernels/fused/norm_stage.hpp"
#include "kernels/fused/stage_storage.hpp"

#include <cstddef>

namespace convmixer::kernels {

// Of the 32 channels of a block the first `channels` are there, and the others only fill it: those whose whole group of
// 16 does are 0 in all that is written, without being computed.

/// u = depthwise(norm(src)) + bias; value = gelu(u), gelu_derivative = gelu'(u).
template <class Storage>
struct DepthwiseForward {
  DepthwiseGeometry geometry;
  const typename Storage::Value* src;
  NormCoefficients norm;  ///< of src
  const float* filters;   ///< packed, of the channel block
  const float* bias;
  typename Storage::Value* value;
  typename Storage::GeluDerivative* gelu_derivative;
  MomentSums moments;
  StageActivation activation = StageActivation::gelu;
  std::size_t channels = kChannelBlock;
};
void depthwise_forward(const DepthwiseForward<F32Storage>& arguments, DepthwiseScratch& scratch);
void depthwise_forward(const DepthwiseForward<Bf16Storage>& arguments, DepthwiseScratch& scratch);

/// The whole branch at inference, with the residual and without a tensor in between: with u as in DepthwiseForward,
/// dst = branch_scale gelu(u) + norm.scale src + out_shift.
template <class Storage>
struct DepthwiseInference {
  DepthwiseGeometry geometry;
  const typename Storage::Value* src;
  NormCoefficients norm;  ///< of src
  const float* filters;   ///< packed, of the channel block
  const float* bias;
  const float* branch_scale;
  const float* out_shift;
  typename Storage::Operand* dst;  ///< rows of 32
  std::size_t stride;              ///< between them
  StageActivation activation = StageActivation::gelu;
  bool residual = true;                     ///< without: dst = branch_scale gelu(u) + out_shift
  typename Storage::Value* kept = nullptr;  ///< not null: dst once more, rows of kChannelBlock; may be src
  std::size_t channels = kChannelBlock;
};
void depthwise_inference(const DepthwiseInference<F32Storage>& arguments, DepthwiseScratch& scratch);
void depthwise_inference(const DepthwiseInference<Bf16Storage>& arguments, DepthwiseScratch& scratch);

/// With du = (a gradient + b value + c) gelu_derivative, the gradient before the GELU: adds the filters' and the bias's
/// gradients to `filter_sums`, and puts gradient + depthwise'(du), the sum of the branch's and the residual's, over
/// `gradient`, with the sums that the norm before the convolution needs: see GradientSums.
template <class Storage>
struct DepthwiseBackward {
  DepthwiseGeometry geometry;
  typename Storage::Operand* gradient;
  const typename Storage::Value* value;
  const typename Storage::GeluDerivative* gelu_derivative;
  NormGradientCoefficients coefficients;
  const float* filters;  ///< packed and flipped, of the channel block
  const typename Storage::Value* src;
  NormCoefficients src_norm;
  double* filter_sums;                        ///< of the channel block, see depthwise_filters.hpp
  const typename Storage::Value* norm_value;  ///< what the norm before the convolution reads: src, unless that is a sum
  const float* norm_mean;
  NormGradientSums norm_sums;  ///< of that norm
  bool residual = true;        ///< without: depthwise'(du) alone
  std::size_t channels = kChannelBlock;
};
void depthwise_backward(const DepthwiseBackward<F32Storage>& arguments, DepthwiseScratch& scratch);
void depthwise_backward(const DepthwiseBackward<Bf16Storage>& arguments, DepthwiseScratch& scratch);

}  // namespace convmixer::kernels
