/// RandAugment (Cubuk et al., arXiv 1909.13719) as torchvision has it: torchvision.transforms.RandAugment on PIL
/// images.
#pragma once

#include "convmixer/core/rng.hpp"
#include "convmixer/data/augment/augmentation.hpp"
#include "data/augment/image_operation.hpp"

#include <array>

namespace convmixer {

/// The 14 operations at one strength, for images of one size. Each is equally likely; those with a direction get it
/// with probability 1/2.
class RandAugment {
 public:
  static constexpr int kOperations = 14;

  RandAugment(int magnitude, const ImageShape& shape);

  /// One of the operations, in torchvision's order: Identity, ShearX, ShearY, TranslateX, TranslateY, Rotate,
  /// Brightness, Color, Contrast, Sharpness, Posterize, Solarize, AutoContrast, Equalize. `negative` has no effect on
  /// those without direction.
  [[nodiscard]] const ImageOperation& operation(int index, bool negative) const;

  /// Draws the operation, then its direction if it has one.
  [[nodiscard]] const ImageOperation& draw(Rng& rng) const;

 private:
  std::array<std::array<ImageOperation, 2>, kOperations> operations_;  // by direction
};

}  // namespace convmixer
