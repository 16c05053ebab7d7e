#include "data/sources/fit_image.hpp"

#include "convmixer/core/error.hpp"
#include "data/augment/crop.hpp"
#include "data/augment/resize.hpp"
#include "data/decode/decoded_image.hpp"

#include <algorithm>
#include <cmath>

namespace convmixer {

namespace {

constexpr int kMostUneven = 50;  // a strip of pixels is no picture, and resized it would take memory without limit

std::vector<std::uint8_t> resized(const DecodedImage& image, const ImageShape& shape) {
  const ResizeWeights horizontal(image.width, shape.width, ResizeFilter::bilinear);
  const ResizeWeights vertical(image.height, shape.height, ResizeFilter::bilinear);
  std::vector<std::uint8_t> working(resize_working_bytes(image.height, shape.width));
  std::vector<std::uint8_t> pixels(shape.bytes());
  resize(ConstImage({kColours, image.height, image.width}, image.pixels), {0, 0, image.height, image.width}, horizontal,
         vertical, working, Image(shape, pixels));
  return pixels;
}

/// The middle, rounded as Python rounds: halves to the even number.
int middle(int length, int part) { return static_cast<int>(std::nearbyint((length - part) / 2.0)); }

}  // namespace

void fit_image(const DecodedImage& image, int image_size, Fit fit, std::span<std::uint8_t> out) {
  ImageShape shape{kColours, image_size, image_size};
  const Image square(shape, out);
  if (std::max(image.width, image.height) > std::int64_t{kMostUneven} * std::min(image.width, image.height))
    fail("{} x {} pixels, expected sides of at most {} to 1", image.width, image.height, kMostUneven);
  if (fit == Fit::crop && image.width != image.height) {
    const auto longer = [&](int longer_side, int shorter_side) {
      return static_cast<int>(std::int64_t{image_size} * longer_side / shorter_side);
    };
    if (image.width > image.height) {
      shape.width = longer(image.width, image.height);
    } else {
      shape.height = longer(image.height, image.width);
    }
  }
  const bool stays = shape.width == image.width && shape.height == image.height;
  const std::vector<std::uint8_t> pixels = stays ? std::vector<std::uint8_t>() : resized(image, shape);
  crop(ConstImage(shape, stays ? image.pixels : pixels), middle(shape.height, image_size),
       middle(shape.width, image_size), Padding::zeros, false, square);
}

}  // namespace convmixer
