/// RandAugment as timm has it (timm.data.auto_augment), by timm's own description: "rand-m9-mstd0.5-inc1".
#pragma once

#include "convmixer/core/rng.hpp"
#include "convmixer/data/augment/augmentation.hpp"
#include "data/augment/image_operation.hpp"

namespace convmixer {

/// The 15 operations for images of one size.
class TimmAugment {
 public:
  static constexpr int kOperations = 15;

  TimmAugment(const TimmAugmentOptions& options, const ImageShape& shape);

  /// One of the operations at a magnitude from 0 to 10, in timm's order: AutoContrast, Equalize, Invert, Rotate,
  /// Posterize, Solarize, SolarizeAdd, Color, Contrast, Brightness, Sharpness, ShearX, ShearY, TranslateXRel,
  /// TranslateYRel. `negative` has no effect on those without direction.
  [[nodiscard]] ImageOperation operation(int index, double magnitude, bool negative, Interpolation interpolation) const;

  /// Draws one operation, each equally likely; whether it is applied (identity if not); its magnitude; its direction;
  /// bilinear or bicubic, equally likely. Each only if the operation has use for it.
  [[nodiscard]] ImageOperation draw(Rng& rng) const;

 private:
  TimmAugmentOptions options_;
  ImageShape shape_;
};

}  // namespace convmixer
