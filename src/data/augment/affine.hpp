/// Affine transformations of images, bit for bit as PIL's Image.transform and Image.rotate (Pillow 11).
#pragma once

#include "data/augment/image.hpp"

#include <array>
#include <cstdint>
#include <span>

namespace convmixer {

enum class Interpolation { nearest, bilinear, bicubic };

/// From the output to the input: the pixel with centre (x, y) is taken at (m0 x + m1 y + m2, m3 x + m4 y + m5), x to
/// the right, y down, the first pixel's centre being (0.5, 0.5).
using AffineMatrix = std::array<double, 6>;

/// Counter-clockwise by `degrees` about the middle of an image of this shape, as Image.rotate: sine and cosine are
/// rounded to 15 decimals there.
[[nodiscard]] AffineMatrix rotation(double degrees, const ImageShape& shape);

/// Writes the transformed image; `out` has the shape of `image` and doesn't overlap it. Pixels from outside get `fill`,
/// one value for each channel. Nearest works in 16.16 fixed point, in f64 where axes stay axes and for coordinates of
/// 32,768 and more; bilinear and bicubic (a = -1) work in f64, cut off after the point.
void transform(const ConstImage& image, const AffineMatrix& matrix, Interpolation interpolation,
               std::span<const std::uint8_t> fill, const Image& out);

}  // namespace convmixer
