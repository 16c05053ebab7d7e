/// Crops and flips: what an image is taken from before its values change.
#pragma once

#include "convmixer/core/rng.hpp"
#include "convmixer/data/augment/image.hpp"
#include "convmixer/data/augment/resize.hpp"

namespace convmixer {

/// What lies beyond an image's border: black, or the image mirrored about its outermost pixels (cba|abc without the
/// second a: numpy's and torchvision's "reflect").
enum class Padding { zeros, reflect };

/// Writes the part of the shape of `out` whose first pixel lies at (top, left), both of which may be negative, mirrored
/// left to right if `flip`. With Padding::reflect, at most height - 1 rows and width - 1 columns may lie beyond a
/// border.
void crop(const ConstImage& image, int top, int left, Padding padding, bool flip, const Image& out);

/// Mirrors an image left to right, in place.
void flip_horizontally(const Image& image);

/// A part of random area and aspect ratio, resized to the size of the whole: torchvision.transforms.RandomResizedCrop,
/// and timm's.
struct ResizedCropOptions {
  enum class Filter { bilinear, bicubic, random };  ///< random: either, equally likely for each image

  float scale_low = 0.0F;         ///< of the image's area
  float scale_high = 0.0F;        ///< 0 = off
  float ratio_low = 3.0F / 4.0F;  ///< width : height
  float ratio_high = 4.0F / 3.0F;
  Filter filter = Filter::bilinear;

  [[nodiscard]] bool is_on() const noexcept { return scale_high > 0.0F; }
};

/// Area uniform, aspect ratio log-uniform, place uniform; after ten boxes that don't fit, the largest one in the middle
/// that has an aspect ratio in range.
[[nodiscard]] Rectangle draw_resized_crop(const ResizedCropOptions& options, const ImageShape& shape, Rng& rng);

}  // namespace convmixer
