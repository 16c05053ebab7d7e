/// What a network sees of an image: random crop and flip in training, normalisation always.
#pragma once

#include "convmixer/core/rng.hpp"
#include "convmixer/data/dataset.hpp"

#include <cstdint>
#include <span>

namespace convmixer {

struct Augmentation {
  int pad_crop = 0;              ///< zero border on each side, then a crop of the image's own size at random; 0 = off
  bool horizontal_flip = false;  ///< with probability 1/2
};

/// The random choices for one image. Offsets are those of the crop within the padded image, 0..2 * pad_crop.
struct AugmentationDraw {
  int top = 0;
  int left = 0;
  bool flip = false;
};

/// Draws in a fixed order (top, left, flip), each only if its augmentation is on.
[[nodiscard]] AugmentationDraw draw_augmentation(const Augmentation& augmentation, Rng& rng);

/// Writes (pixel / 255 - mean) / std of the cropped, then flipped image as (C, H, W) f32 to `out`. Padding is
/// black *before* normalisation, as torchvision.transforms.RandomCrop(padding=...) on PIL images.
void augment_and_normalise(std::span<const std::uint8_t> image, int channels, int image_size,
                           const Augmentation& augmentation, const AugmentationDraw& draw,
                           const Normalisation& normalisation, std::span<float> out);

}  // namespace convmixer
