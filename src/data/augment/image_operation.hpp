/// The operations that augmentation policies draw from, each with its strength.
#pragma once

#include "data/augment/affine.hpp"
#include "data/augment/image.hpp"

#include <cstdint>
#include <span>
#include <string_view>

namespace convmixer {

enum class OperationKind : std::uint8_t {
  identity,
  shear_x,      ///< value: how far the source lies to the right, per pixel downwards
  shear_y,      ///< value: how far the source lies down, per pixel to the right
  translate_x,  ///< value: pixels that the source lies to the right
  translate_y,  ///< value: pixels that the source lies down
  rotate,       ///< value: degrees, counter-clockwise, about the middle
  brightness,   ///< value: factor, as for the next three (pixel_operations.hpp)
  saturation,
  contrast,
  sharpness,
  posterize,     ///< value: bits to keep
  solarize,      ///< value: threshold
  solarize_add,  ///< value: addition
  invert,
  auto_contrast,
  equalize,
};

[[nodiscard]] std::string_view to_string(OperationKind kind);

struct ImageOperation {
  OperationKind kind = OperationKind::identity;
  double value = 0.0;
  Interpolation interpolation = Interpolation::nearest;  ///< of shears, translations and rotations

  bool operator==(const ImageOperation&) const = default;
};

/// Writes the result; `out` has the shape of `image` and doesn't overlap it. What comes from outside the image gets
/// `fill`, one value for each channel.
void apply(const ImageOperation& operation, const ConstImage& image, std::span<const std::uint8_t> fill,
           const Image& out);

}  // namespace convmixer
