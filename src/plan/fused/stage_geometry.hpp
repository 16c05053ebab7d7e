/// Where the values of a batch lie in the tensors of fused stages: (image, channel block, pixel, 32 channels).
/// Sizes (slab, channel block): see "Words" in HACKING.md.
#pragma once

#include "kernels/fused/stage_storage.hpp"
#include "plan/fused/stage_chain.hpp"

#include <algorithm>
#include <cstddef>

namespace convmixer::fused {

/// Pixels of an image that backward takes at a time.
struct Slab {
  std::size_t image;
  std::size_t first_pixel;
  std::size_t pixels;
};

/// The same for all tensors of a chain: stages keep the number of channels and, after the stem, the size of an image.
struct StageGeometry {
  StageGeometry(const StageChain& chain, std::size_t images)
      : batch(images),
        pixels(chain.height * chain.width),
        channels(chain.stem.out_channels),
        padded_channels(kernels::padded_channels(channels)),
        channel_blocks(padded_channels / kernels::kChannelBlock) {}

  std::size_t batch;
  std::size_t pixels;  ///< of an image
  std::size_t channels;
  std::size_t padded_channels;  ///< whole channel blocks
  std::size_t channel_blocks;

  /// Channels of a channel block that aren't padding.
  [[nodiscard]] std::size_t channels_of_block(std::size_t channel_block) const {
    return std::min(kernels::kChannelBlock, channels - channel_block * kernels::kChannelBlock);
  }

  /// Elements of an image and of a batch.
  [[nodiscard]] std::size_t image_size() const { return pixels * padded_channels; }
  [[nodiscard]] std::size_t tensor_size() const { return batch * image_size(); }

  /// Where a channel block of an image begins in a tensor, and of a slab.
  [[nodiscard]] std::size_t offset(std::size_t image, std::size_t channel_block) const {
    return (image * channel_blocks + channel_block) * pixels * kernels::kChannelBlock;
  }
  [[nodiscard]] std::size_t offset(const Slab& slab, std::size_t channel_block) const {
    return offset(slab.image, channel_block) + slab.first_pixel * kernels::kChannelBlock;
  }
  [[nodiscard]] Slab whole(std::size_t image) const { return {image, 0, pixels}; }
};

}  // namespace convmixer::fused
