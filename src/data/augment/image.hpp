/// Pixels of one image: bytes as (C, H, W) planes, as data sets store them. Borrowed, never owned.
#pragma once

#include "convmixer/data/augment/image_shape.hpp"

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <span>

namespace convmixer {

/// An image to write to.
struct Image {
  ImageShape shape;
  std::uint8_t* pixels = nullptr;

  Image(const ImageShape& image_shape, std::span<std::uint8_t> bytes) : shape(image_shape), pixels(bytes.data()) {
    assert(bytes.size() >= shape.bytes());
  }
  [[nodiscard]] std::uint8_t* row(int channel, int y) const {
    return pixels + static_cast<std::size_t>(channel) * shape.plane() +
           static_cast<std::size_t>(y) * static_cast<std::size_t>(shape.width);
  }
};

/// An image to read from.
struct ConstImage {
  ImageShape shape;
  const std::uint8_t* pixels = nullptr;

  ConstImage(const ImageShape& image_shape, std::span<const std::uint8_t> bytes)
      : shape(image_shape), pixels(bytes.data()) {
    assert(bytes.size() >= shape.bytes());
  }
  ConstImage(const Image& image) : shape(image.shape), pixels(image.pixels) {}  // NOLINT: as const T& from T
  [[nodiscard]] const std::uint8_t* row(int channel, int y) const {
    return pixels + static_cast<std::size_t>(channel) * shape.plane() +
           static_cast<std::size_t>(y) * static_cast<std::size_t>(shape.width);
  }
};

}  // namespace convmixer
