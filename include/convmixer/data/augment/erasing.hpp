/// Parts of a normalised image that are covered: random erasing (Zhong et al., arXiv 1708.04896) as
/// torchvision.transforms.RandomErasing and timm have it, and cutout (DeVries & Taylor, arXiv 1708.04552).
#pragma once

#include "convmixer/core/rng.hpp"
#include "convmixer/data/augment/image.hpp"
#include "convmixer/data/augment/resize.hpp"

#include <optional>
#include <span>

namespace convmixer {

struct ErasingOptions {
  enum class Fill {
    constant,  ///< 0: the data set's mean colour
    noise,     ///< a standard normal value for each pixel and channel: timm's mode "pixel"
  };

  float probability = 0.0F;  ///< 0 = off
  float scale_low = 0.02F;   ///< of the image's area
  float scale_high = 0.33F;
  float ratio_low = 0.3F;  ///< height : width
  float ratio_high = 3.3F;
  Fill fill = Fill::constant;
};

/// A part of the image, or none: with the probability, then area uniform, aspect ratio log-uniform, place uniform. It
/// is lower and narrower than the image; after ten that aren't, none.
[[nodiscard]] std::optional<Rectangle> draw_erasing(const ErasingOptions& options, const ImageShape& shape, Rng& rng);

/// A square of `size` pixels about a uniformly drawn pixel, what sticks out cut off.
[[nodiscard]] Rectangle draw_cutout(int size, const ImageShape& shape, Rng& rng);

/// Sets the part of all channels of a (C, H, W) image to 0.
void erase(const ImageShape& shape, const Rectangle& part, std::span<float> values);
/// Sets it to standard normal values.
void erase_with_noise(const ImageShape& shape, const Rectangle& part, Rng& rng, std::span<float> values);

}  // namespace convmixer
