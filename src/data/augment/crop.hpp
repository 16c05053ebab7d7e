/// Crops and flips: what an image is taken from before its values change.
#pragma once

#include "convmixer/core/rng.hpp"
#include "convmixer/data/augment/augmentation.hpp"
#include "data/augment/image.hpp"
#include "data/augment/resize.hpp"

namespace convmixer {

/// Writes the part of the shape of `out` whose first pixel lies at (top, left), both of which may be negative, mirrored
/// left to right if `flip`. With Padding::reflect, at most height - 1 rows and width - 1 columns may lie beyond a
/// border.
void crop(const ConstImage& image, int top, int left, Padding padding, bool flip, const Image& out);

/// Mirrors an image left to right, in place.
void flip_horizontally(const Image& image);

/// Draws the area and the place uniformly, the aspect ratio log-uniformly; after ten boxes that don't fit, takes the
/// largest one in the middle that has an aspect ratio in range.
[[nodiscard]] Rectangle draw_resized_crop(const ResizedCropOptions& options, const ImageShape& shape, Rng& rng);

}  // namespace convmixer
