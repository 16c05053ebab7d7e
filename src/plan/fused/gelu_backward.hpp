/// From the gradient that comes into a dense stage to the one before its GELU, the operand of the products in backward.
/// Sizes (slab, channel block, word): see "Words" in HACKING.md.
#pragma once

#include "kernels/fused/norm_stage.hpp"
#include "plan/fused/norm.hpp"
#include "plan/fused/stage_geometry.hpp"

#include <cstddef>

namespace convmixer::fused {

/// du = (a dy + b g + c) gelu'(u) for the pixels of a slab, as rows and in words, and the sums of du for the bias's
/// gradient: dy is the gradient of the norm's output, g the values after the GELU. See kernels/fused/norm_stage.hpp.
template <class Storage>
struct GeluBackward {
  using Operand = typename Storage::Operand;

  const StageGeometry& geometry;
  const typename Storage::Value* value;
  const typename Storage::GeluDerivative* gelu_derivative;
  const Norm& norm;
  kernels::RowLayout rows;  ///< of `dst`
  Operand* dst;
  std::size_t words_of_block;  ///< 0: no words
  float* words;
  double* bias_sums;  ///< added to

  /// With dy from a tensor.
  void from_tensor(const Operand* diff_dst, const Slab& slab) const { run(diff_dst, norm.c(), slab); }
  /// With a dy that is the same at all pixels: `shifted_c` is c + a dy.
  void from_pixel_gradient(const float* shifted_c, const Slab& slab) const { run(nullptr, shifted_c, slab); }

 private:
  void run(const Operand* diff_dst, const float* c, const Slab& slab) const {
    for (std::size_t channel_block = 0; channel_block < geometry.channel_blocks; ++channel_block) {
      const std::size_t channel = channel_block * kernels::kChannelBlock;
      const std::size_t offset = geometry.offset(slab, channel_block);
      kernels::norm_backward(
          kernels::NormBackward<Storage>{.diff_dst = diff_dst == nullptr ? nullptr : diff_dst + offset,
                                         .value = value + offset,
                                         .gelu_derivative = gelu_derivative + offset,
                                         .coefficients = {norm.a() + channel, norm.b() + channel, c + channel},
                                         .rows = slab.pixels,
                                         .dst = dst + channel_block * rows.block,
                                         .stride = rows.row,
                                         .words = words_of_block == 0 ? nullptr : words + channel * words_of_block,
                                         .sum = bias_sums + channel});
    }
  }
};

}  // namespace convmixer::fused
