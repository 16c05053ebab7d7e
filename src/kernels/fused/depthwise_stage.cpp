#include "kernels/fused/depthwise_stage.hpp"

#include "kernels/plain/channel_group.hpp"

#include <algorithm>

// Compiled once for each instruction set: see batch_norm.cpp. The order of these lines matters.
// clang-format off
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/fused/depthwise_stage.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include "kernels/fused/depthwise_convolution-inl.h"
#include "kernels/fused/next_channel_block-inl.h"
#include "kernels/fused/norm_stage-inl.h"
#include "kernels/fused/tap_sums-inl.h"
#include "kernels/fused/word_rows-inl.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace convmixer::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// A channel block's two groups of 16 channels are run one after the other: `channel`, 0 or 16, is a group's first one.

/// Values of a channel block.
std::size_t channel_block_size(const DepthwiseGeometry& geometry) {
  return geometry.height * geometry.width * kChannelBlock;
}

/// A group's packed filters within those of the channel block.
template <class Storage>
const float* filters_of_group(const float* filters, const DepthwiseGeometry& geometry, std::size_t channel) {
  return filters + channel * geometry.kernel * words_of<Storage>(geometry.kernel);
}

/// A group's values in rows `stride` apart: 0, as those of channels that only fill a channel block are.
template <typename T>
void clear_group(T* values, std::size_t rows, std::size_t stride) {
  for (std::size_t row = 0; row < rows; ++row) std::fill_n(values + row * stride, kGroup, T{});
}

// ---- forward ----

/// areas.padded = norm(src), the convolution's input, of one group. `Forward` is DepthwiseForward or
/// DepthwiseInference.
template <class Storage, class Forward>
HWY_INLINE void put_normalised(const Forward& a, const DepthwiseScratch::Areas& areas, std::size_t channel) {
  const StageFloats d;
  const DepthwiseGeometry& g = a.geometry;
  for (std::size_t lane = 0; lane < kGroup; lane += hn::Lanes(d)) {
    const StageVector scale = hn::LoadU(d, a.norm.scale + channel + lane);
    const StageVector shift = hn::LoadU(d, a.norm.shift + channel + lane);
    for (std::size_t y = 0; y < g.height; ++y) {
      const auto* const src = a.src + y * g.width * kChannelBlock + channel + lane;
      float* const to = areas.padded + ((y + g.padding_begin) * areas.padded_width + g.padding_begin) * kGroup + lane;
      put_padded_row<Storage>(g.width, g.padding_begin > 0, to, [&](std::size_t x) HWY_ATTR {
        return hn::MulAdd(load_stage(d, src + x * kChannelBlock), scale, shift);
      });
    }
  }
}

/// areas.convolved = depthwise(norm(src)) + bias of one group.
template <class Storage, class Forward>
void convolve_group(const Forward& a, const DepthwiseScratch::Areas& areas, std::size_t channel,
                    NextChannelBlock<1>& next) {
  put_normalised<Storage>(a, areas, channel);
  convolve<Storage>(a.geometry, areas, filters_of_group<Storage>(a.filters, a.geometry, channel), a.bias + channel,
                    next);
}

template <class Storage>
void forward_of_group(const DepthwiseForward<Storage>& a, const DepthwiseScratch::Areas& areas, std::size_t channel,
                      NextChannelBlock<1>& next) {
  if (channel >= a.channels) {
    clear_group(a.value + channel, a.geometry.height * a.geometry.width, kChannelBlock);
    clear_group(a.gelu_derivative + channel, a.geometry.height * a.geometry.width, kChannelBlock);
    if (a.moments.begins) std::fill_n(a.moments.origin + channel, kGroup, 0.0F);
    return;
  }
  convolve_group<Storage>(a, areas, channel, next);
  gelu_forward_rows<Storage, 1, true>(
      {.src = areas.convolved,
       .stride = kGroup,
       .rows = a.geometry.height * a.geometry.width,
       .groups = 1,
       .value = a.value + channel,
       .gelu_derivative = a.gelu_derivative + channel,
       .moments = {a.moments.origin + channel, a.moments.sum + channel, a.moments.square + channel, a.moments.begins},
       .activation = a.activation});
}

template <class Storage>
void depthwise_forward_any(const DepthwiseForward<Storage>& a, const DepthwiseScratch::Areas& areas) {
  NextChannelBlock<1> next({a.src}, {channel_block_size(a.geometry) * sizeof *a.src}, 2 * a.geometry.height);
  for (std::size_t channel = 0; channel < kChannelBlock; channel += kGroup) forward_of_group(a, areas, channel, next);
}

// ---- inference ----

/// dst = branch_scale gelu(convolved) + norm.scale src + out_shift.
template <class Function, class Storage>
void inference_of_group(DepthwiseInference<Storage> a, DepthwiseScratch::Areas areas, std::size_t channel,
                        NextChannelBlock<1>& next) {
  const std::size_t rows = a.geometry.height * a.geometry.width;
  if (channel >= a.channels) {
    clear_group(a.dst + channel, rows, a.stride);
    if (a.kept != nullptr) clear_group(a.kept + channel, rows, kChannelBlock);
    return;
  }
  const StageFloats d;
  convolve_group<Storage>(a, areas, channel, next);
  const Function gelu(d);
  for (std::size_t lane = 0; lane < kGroup; lane += hn::Lanes(d)) {
    const std::size_t first = channel + lane;
    const StageVector branch_scale = hn::LoadU(d, a.branch_scale + first);
    const StageVector scale = a.residual ? hn::LoadU(d, a.norm.scale + first) : hn::Zero(d);
    const StageVector shift = hn::LoadU(d, a.out_shift + first);
    for (std::size_t row = 0; row < rows; ++row) {
      const StageVector branch = gelu.value(hn::LoadU(d, areas.convolved + row * kGroup + lane));
      const StageVector trunk = hn::MulAdd(load_stage(d, a.src + row * kChannelBlock + first), scale, shift);
      const StageVector sum = hn::MulAdd(branch, branch_scale, trunk);
      store_stage(sum, d, a.dst + row * a.stride + first);
      if (a.kept != nullptr) store_stage(sum, d, a.kept + row * kChannelBlock + first);
    }
  }
}

template <class Storage>
void depthwise_inference_any(const DepthwiseInference<Storage>& a, const DepthwiseScratch::Areas& areas) {
  NextChannelBlock<1> next({a.src}, {channel_block_size(a.geometry) * sizeof *a.src}, 2 * a.geometry.height);
  for (std::size_t channel = 0; channel < kChannelBlock; channel += kGroup) {
    if (a.activation == StageActivation::relu) {
      inference_of_group<StageRelu<Storage, StageFloats>>(a, areas, channel, next);
    } else {
      inference_of_group<typename GeluFor<Storage, StageFloats>::Type>(a, areas, channel, next);
    }
  }
}

// ---- backward ----

/// Writes what backward multiplies, of one group: areas.padded = du, the gradient before the GELU, and areas.plain =
/// src_norm(src), the convolution's input. Adds du to the bias's gradient.
template <class Storage>
void put_backward_operands(DepthwiseBackward<Storage> arguments, DepthwiseScratch::Areas areas, std::size_t channel,
                           double* bias_sums) {
  const StageFloats d;
  const DepthwiseGeometry& g = arguments.geometry;
  const std::size_t padding = g.kernel - 1 - g.padding_begin;
  for (std::size_t lane = 0; lane < kGroup; lane += hn::Lanes(d)) {
    const std::size_t first = channel + lane;
    const StageVector a = hn::LoadU(d, arguments.coefficients.a + first);
    const StageVector b = hn::LoadU(d, arguments.coefficients.b + first);
    const StageVector c = hn::LoadU(d, arguments.coefficients.c + first);
    const StageVector scale = hn::LoadU(d, arguments.src_norm.scale + first);
    const StageVector shift = hn::LoadU(d, arguments.src_norm.shift + first);
    for (std::size_t y = 0; y < g.height; ++y) {
      const std::size_t row = y * g.width * kChannelBlock + first;
      float* const padded = areas.padded + ((y + padding) * areas.padded_width + padding) * kGroup + lane;
      float* const plain = areas.plain + y * words_of<Storage>(g.width) * kGroup + lane;
      StageVector sum = hn::Zero(d);
      put_padded_row<Storage>(g.width, padding > 0, padded, [&](std::size_t x) HWY_ATTR {
        const std::size_t at = row + x * kChannelBlock;
        const StageVector gradient =
            norm_gradient<Storage, true>(arguments.gradient, arguments.value, arguments.gelu_derivative, at, a, b, c);
        sum = hn::Add(sum, gradient);
        return gradient;
      });
      put_plain_row<Storage>(g.width, plain, [&](std::size_t x) HWY_ATTR {
        const std::size_t at = row + x * kChannelBlock;
        return hn::MulAdd(load_stage(d, arguments.src + at), scale, shift);
      });
      add_to_doubles(sum, bias_sums + lane);
    }
  }
}

template <class Storage>
void backward_of_group(const DepthwiseBackward<Storage>& a, const DepthwiseScratch::Areas& areas, std::size_t channel,
                       NextChannelBlock<4>& next) {
  const DepthwiseGeometry& g = a.geometry;
  if (channel >= a.channels) return clear_group(a.gradient + channel, g.height * g.width, kChannelBlock);
  const std::size_t taps = g.kernel * g.kernel;
  double* const sums = a.filter_sums + channel * (taps + 1);
  put_backward_operands(a, areas, channel, sums + taps * kGroup);
  add_all_taps<Storage>(g, areas, sums);
  // The data gradient: du convolved with the flipped filters.
  convolve<Storage>(g, areas, filters_of_group<Storage>(a.filters, g, channel), nullptr, next);
  gradient_sums_any<Storage>({.src = areas.convolved,
                              .stride = kGroup,
                              .rows = g.height * g.width,
                              .groups = 1,
                              .residual = a.residual ? a.gradient + channel : nullptr,
                              .value = a.norm_value + channel,
                              .mean = a.norm_mean + channel,
                              .dst = a.gradient + channel,
                              .sums = {a.norm_sums.gradient + channel, a.norm_sums.weighted + channel}});
}

template <class Storage>
void depthwise_backward_any(const DepthwiseBackward<Storage>& a, const DepthwiseScratch::Areas& areas) {
  const std::size_t size = channel_block_size(a.geometry);
  NextChannelBlock<4> next(
      {a.gradient, a.value, a.gelu_derivative, a.src},
      {size * sizeof *a.gradient, size * sizeof *a.value, size * sizeof *a.gelu_derivative, size * sizeof *a.src},
      2 * a.geometry.height);
  for (std::size_t channel = 0; channel < kChannelBlock; channel += kGroup) backward_of_group(a, areas, channel, next);
}

void depthwise_forward_f32(const DepthwiseForward<F32Storage>& a, const DepthwiseScratch::Areas& areas) {
  depthwise_forward_any(a, areas);
}
void depthwise_forward_bf16(const DepthwiseForward<Bf16Storage>& a, const DepthwiseScratch::Areas& areas) {
  depthwise_forward_any(a, areas);
}
void depthwise_inference_f32(const DepthwiseInference<F32Storage>& a, const DepthwiseScratch::Areas& areas) {
  depthwise_inference_any(a, areas);
}
void depthwise_inference_bf16(const DepthwiseInference<Bf16Storage>& a, const DepthwiseScratch::Areas& areas) {
  depthwise_inference_any(a, areas);
}
void depthwise_backward_f32(const DepthwiseBackward<F32Storage>& a, const DepthwiseScratch::Areas& areas) {
  depthwise_backward_any(a, areas);
}
void depthwise_backward_bf16(const DepthwiseBackward<Bf16Storage>& a, const DepthwiseScratch::Areas& areas) {
  depthwise_backward_any(a, areas);
}

}  // namespace convmixer::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "kernels/fused/bf16_target.hpp"

namespace convmixer::kernels {

HWY_EXPORT(depthwise_forward_f32);
HWY_EXPORT(depthwise_forward_bf16);
HWY_EXPORT(depthwise_inference_f32);
HWY_EXPORT(depthwise_inference_bf16);
HWY_EXPORT(depthwise_backward_f32);
HWY_EXPORT(depthwise_backward_bf16);

void depthwise_forward(const DepthwiseForward<F32Storage>& a, DepthwiseScratch& scratch) {
  HWY_DYNAMIC_DISPATCH(depthwise_forward_f32)(a, scratch.prepare(a.geometry, a.geometry.padding_begin));
}
void depthwise_forward(const DepthwiseForward<Bf16Storage>& a, DepthwiseScratch& scratch) {
  CONVMIXER_DISPATCH_BF16(depthwise_forward_bf16)(a, scratch.prepare(a.geometry, a.geometry.padding_begin));
}
void depthwise_inference(const DepthwiseInference<F32Storage>& a, DepthwiseScratch& scratch) {
  HWY_DYNAMIC_DISPATCH(depthwise_inference_f32)(a, scratch.prepare(a.geometry, a.geometry.padding_begin));
}
void depthwise_inference(const DepthwiseInference<Bf16Storage>& a, DepthwiseScratch& scratch) {
  CONVMIXER_DISPATCH_BF16(depthwise_inference_bf16)(a, scratch.prepare(a.geometry, a.geometry.padding_begin));
}
void depthwise_backward(const DepthwiseBackward<F32Storage>& a, DepthwiseScratch& scratch) {
  const std::size_t begin = a.geometry.kernel - 1 - a.geometry.padding_begin;
  HWY_DYNAMIC_DISPATCH(depthwise_backward_f32)(a, scratch.prepare(a.geometry, begin));
}
void depthwise_backward(const DepthwiseBackward<Bf16Storage>& a, DepthwiseScratch& scratch) {
  const std::size_t begin = a.geometry.kernel - 1 - a.geometry.padding_begin;
  CONVMIXER_DISPATCH_BF16(depthwise_backward_bf16)(a, scratch.prepare(a.geometry, begin));
}

}  // namespace convmixer::kernels
#endif
