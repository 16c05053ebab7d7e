/// The GELU after a product, tile by tile while these are in the cache.
/// Sizes (tile, channel block, group): see "Words" in HACKING.md.
#pragma once

#include "kernels/fused/norm_stage.hpp"
#include "plan/fused/tiled_product.hpp"

#include <cstddef>

namespace convmixer::fused {

/// An image of an activation, at its first channel block and pixel, and the moments of its first channel.
template <class Storage>
struct TileGelu {
  typename Storage::Value* value;
  typename Storage::GeluDerivative* gelu_derivative;  ///< null: neither derivatives nor moments (inference)
  kernels::MomentSums moments;                        ///< `begins`: with this image
  std::size_t pixels;                                 ///< of an image
  kernels::StageActivation activation;

  [[nodiscard]] kernels::MomentSums moments_at(std::size_t channel, std::size_t first_row) const {
    if (gelu_derivative == nullptr) return {};
    return {moments.origin + channel, moments.sum + channel, moments.square + channel,
            moments.begins && first_row == 0};
  }

  void operator()(const ProductTile& tile) const {
    for (std::size_t column = 0; column < tile.columns; column += kernels::kChannelBlock) {
      const std::size_t channel = tile.first_column + column;
      const std::size_t offset = channel * pixels + tile.first_row * kernels::kChannelBlock;
      kernels::gelu_forward(kernels::GeluForward<Storage>{
          .src = tile.values + column,
          .stride = tile.stride,
          .rows = tile.rows,
          .groups = 2,
          .value = value + offset,
          .gelu_derivative = gelu_derivative == nullptr ? nullptr : gelu_derivative + offset,
          .moments = moments_at(channel, tile.first_row),
          .activation = activation});
    }
  }
};

}  // namespace convmixer::fused
