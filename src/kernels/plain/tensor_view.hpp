/// Where the elements of an (N, C, H, W) tensor are, for kernels that don't mix channels.
#pragma once

#include "convmixer/core/error.hpp"
#include "kernels/onednn/onednn.hpp"

#include <cstddef>
#include <cstdint>

namespace convmixer::kernels {

/// An image is `rows` pixels of `channels` values; pixel r of channel c of image n is at offset(n, c) + r * row_stride.
struct TensorView {
  explicit TensorView(const Layout& layout)
      : images(layout.shape()[0]),
        channels(layout.shape()[1]),
        rows(static_cast<std::size_t>(layout.shape()[2] * layout.shape()[3])) {
    switch (layout.format()) {
      case Format::plain:
        row_stride = 1;
        channel_stride = rows;
        break;
      case Format::channels_last:
        row_stride = static_cast<std::size_t>(channels);
        break;
      case Format::blocked16:
      case Format::blocked8:
        block = layout.format() == Format::blocked16 ? 16 : 8;
        row_stride = block;
        break;
      case Format::any:
      case Format::other:
        fail("a hand-written kernel met a layout it doesn't know, for {}", layout.shape().to_string());
    }
  }

  [[nodiscard]] std::size_t offset(std::int64_t image, std::int64_t channel) const {
    const auto n = static_cast<std::size_t>(image);
    const auto c = static_cast<std::size_t>(channel);
    const auto all = static_cast<std::size_t>(channels);
    if (block == 0) return n * all * rows + c * channel_stride;
    const std::size_t blocks = (all + block - 1) / block;
    return ((n * blocks + c / block) * rows) * block + c % block;
  }

  std::int64_t images;
  std::int64_t channels;
  std::size_t rows;
  std::size_t row_stride = 0;
  std::size_t channel_stride = 1;  ///< between channels of one block, or all channels if there are no blocks
  std::size_t block = 0;           ///< channels of a block, the last one padded; 0: not blocked
};

}  // namespace convmixer::kernels
