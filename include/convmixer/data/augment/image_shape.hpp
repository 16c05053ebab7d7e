/// How large an image is.
#pragma once

#include <cstddef>

namespace convmixer {

/// Channels and pixels of an image whose bytes or values lie as (C, H, W) planes.
struct ImageShape {
  int channels = 3;
  int height = 0;
  int width = 0;

  /// Pixels of one channel.
  [[nodiscard]] std::size_t plane() const { return static_cast<std::size_t>(height) * static_cast<std::size_t>(width); }
  /// Values of the whole image: bytes, when each is one.
  [[nodiscard]] std::size_t bytes() const { return static_cast<std::size_t>(channels) * plane(); }
  bool operator==(const ImageShape&) const = default;
};

}  // namespace convmixer
