/// What lies between the products of a fused stage, for one image and one channel block: GELU, batch norm's sums,
/// its application and its gradient, residual sums. See stage_storage.hpp for the layouts.
///
/// With g = gelu(u), normalised as y = scale (g - mean) / sqrt(variance + epsilon) + shift, and M values per channel:
///   forward   y = s g + t                   with s = scale / sqrt(variance + epsilon), t = shift - s mean
///   backward  du = (a dy + b g + c) gelu'(u) with a = s, b = -s r^2 S2 / M, c = -s S1 / M - b mean,
///             r = 1 / sqrt(variance + epsilon), S1 = sum dy, S2 = sum dy (g - mean)
/// which is batch norm's gradient (Ioffe & Szegedy, arXiv 1502.03167, section 3) with everything that is the same for
/// all values of a channel put into three numbers.
/// Sizes (channel block, group, word): see "Words" in HACKING.md.
#pragma once

#include "kernels/fused/stage_storage.hpp"

#include <cstddef>

namespace convmixer::kernels {

/// A norm's s and t, of each channel of a channel block.
struct NormCoefficients {
  const float* scale;  ///< s
  const float* shift;  ///< t
};

/// The coefficients of its gradient.
struct NormGradientCoefficients {
  const float* a;
  const float* b;
  const float* c;
};

/// The sums that its gradient needs, added to.
struct NormGradientSums {
  double* gradient;  ///< S1
  double* weighted;  ///< S2
};

/// For each channel, the sums of (value - origin) and of its square: of a few rows in f32, of those sums in double.
/// An origin close to the mean keeps the sums small, so that the variance does not cancel.
struct MomentSums {
  float* origin;   ///< set to the first row's values if `begins`
  double* sum;     ///< added to
  double* square;  ///< added to
  bool begins;
};

/// value = gelu(src), gelu_derivative = gelu'(src).
template <class Storage>
struct GeluForward {
  const float* src;    ///< rows of 16 * groups channels
  std::size_t stride;  ///< between rows, in floats
  std::size_t rows;
  std::size_t groups;                                 ///< of 16 channels: 2, or 1 for half a channel block
  typename Storage::Value* value;                     ///< rows of kChannelBlock
  typename Storage::GeluDerivative* gelu_derivative;  ///< likewise; null for inference, which needs no sums either
  MomentSums moments;                                 ///< of `value`
  StageActivation activation = StageActivation::gelu;
};
void gelu_forward(const GeluForward<F32Storage>& arguments);
void gelu_forward(const GeluForward<Bf16Storage>& arguments);
void gelu_forward(const GeluForward<Bf16StemStorage>& arguments);

/// dst = scale0 value0 + scale1 value1 + shift: the normalised value plus the residual, for all channels of the channel
/// block.
template <class Storage>
struct NormForward {
  const typename Storage::Value* value0;
  const float* scale0;
  const typename Storage::Value* value1;  ///< null: no residual
  const float* scale1;
  const float* shift;
  std::size_t rows;
  typename Storage::Operand* dst;  ///< rows of 32
  std::size_t stride;              ///< between them
  float* words = nullptr;  ///< not null (bf16 alone): instead of dst, words of two rows, (word, 32), see pair_rows()
};
void norm_forward(const NormForward<F32Storage>& arguments);
void norm_forward(const NormForward<Bf16Storage>& arguments);

/// dst = scale0 value0 + scale1 value1 + scale2 value2 + shift, to be kept: what a mixer block hands on that adds both
/// of its halves to its input.
template <class Storage>
struct ResidualSum {
  const typename Storage::Value* value0;
  const float* scale0;
  const typename Storage::Value* value1;
  const float* scale1;
  const typename Storage::Value* value2;  ///< null: none
  const float* scale2;
  const float* shift;
  std::size_t rows;
  typename Storage::Value* dst;  ///< rows of kChannelBlock, as all of them; may be one of the values
};
void residual_sum(const ResidualSum<F32Storage>& arguments);
void residual_sum(const ResidualSum<Bf16Storage>& arguments);

/// For each of 32 channels, the sum of its values in `rows` rows.
void value_sums(const F32Storage::Value* values, std::size_t rows, double* sums);
void value_sums(const Bf16Storage::Value* values, std::size_t rows, double* sums);

/// dst = (a diff_dst + b value + c) gelu_derivative; sum += dst.
template <class Storage>
struct NormBackward {
  const typename Storage::Operand* diff_dst;  ///< null: 0 (what is the same for all pixels is then in c)
  const typename Storage::Value* value;
  const typename Storage::GeluDerivative* gelu_derivative;
  NormGradientCoefficients coefficients;
  std::size_t rows;
  typename Storage::Operand* dst;  ///< rows of 32
  std::size_t stride;              ///< between them
  float* words = nullptr;          ///< not null (bf16 alone): besides dst, words of two rows, as in NormForward
  double* sum;                     ///< of each channel: the gradient of the bias before the GELU
};
void norm_backward(const NormBackward<F32Storage>& arguments);
void norm_backward(const NormBackward<Bf16Storage>& arguments);
void norm_backward(const NormBackward<Bf16StemStorage>& arguments);

/// dst = src + residual, the gradient of a norm's output, and its sums: S1 += dst, S2 += dst (value - mean).
template <class Storage>
struct GradientSums {
  const float* src;  ///< rows of 16 * groups channels
  std::size_t stride;
  std::size_t rows;
  std::size_t groups;
  const typename Storage::Operand* residual;  ///< rows of kChannelBlock; null: none; may be dst
  const typename Storage::Value* value;
  const float* mean;
  typename Storage::Operand* dst;  ///< rows of kChannelBlock
  NormGradientSums sums;
};
void gradient_sums(const GradientSums<F32Storage>& arguments);
void gradient_sums(const GradientSums<Bf16Storage>& arguments);

}  // namespace convmixer::kernels
