/// Parts of a normalised image that are covered: random erasing (Zhong et al., arXiv 1708.04896) as
/// torchvision.transforms.RandomErasing and timm have it, and cutout (DeVries & Taylor, arXiv 1708.04552).
#pragma once

#include "convmixer/core/rng.hpp"
#include "convmixer/data/augment/augmentation.hpp"
#include "data/augment/image.hpp"
#include "data/augment/resize.hpp"

#include <optional>
#include <span>

namespace convmixer {

/// Draws, with the probability that the options give, a part of the image that is lower and narrower than the whole:
/// its area and place uniformly, its aspect ratio log-uniformly. None after ten that are too large.
[[nodiscard]] std::optional<Rectangle> draw_erasing(const ErasingOptions& options, const ImageShape& shape, Rng& rng);

/// A square of `size` pixels about a uniformly drawn pixel, what sticks out cut off.
[[nodiscard]] Rectangle draw_cutout(int size, const ImageShape& shape, Rng& rng);

/// Sets the part of all channels of a (C, H, W) image to 0.
void erase(const ImageShape& shape, const Rectangle& part, std::span<float> values);
/// Sets it to standard normal values.
void erase_with_noise(const ImageShape& shape, const Rectangle& part, Rng& rng, std::span<float> values);

}  // namespace convmixer
