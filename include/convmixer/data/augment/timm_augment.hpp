/// RandAugment as timm has it (timm.data.auto_augment), by timm's own description: "rand-m9-mstd0.5-inc1".
#pragma once

#include "convmixer/core/rng.hpp"
#include "convmixer/data/augment/image_operation.hpp"

#include <optional>
#include <string>

namespace convmixer {

/// What the description says: "rand", then, each after a dash and each if wanted, m: magnitude 0 to 10; n: operations
/// for an image; mstd: standard deviation of the magnitude, over 100 standing for a uniform magnitude from 0 to m;
/// p: probability of each operation; inc: 1 for operations whose strength grows with the magnitude, 0 for timm's first
/// ones, some of which get weaker.
struct TimmAugmentOptions {
  static constexpr int kMostOperations = 16;

  int operations = 0;  ///< 0: off
  float magnitude = 10.0F;
  float deviation = 0.0F;
  float probability = 0.5F;
  bool increasing = false;

  bool operator==(const TimmAugmentOptions&) const = default;
};

/// "off" as none; nothing for a text that isn't such a description.
[[nodiscard]] std::optional<TimmAugmentOptions> parse_timm_augment(const std::string& text);
[[nodiscard]] std::string to_string(const TimmAugmentOptions& options);

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
