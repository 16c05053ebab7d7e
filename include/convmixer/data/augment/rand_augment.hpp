/// RandAugment (Cubuk et al., arXiv 1909.13719) as torchvision has it: torchvision.transforms.RandAugment on PIL
/// images.
#pragma once

#include "convmixer/core/rng.hpp"
#include "convmixer/data/augment/image_operation.hpp"

#include <array>
#include <optional>
#include <string>

namespace convmixer {

/// How many operations are drawn for an image, and how strong they are.
struct RandAugmentOptions {
  static constexpr int kBins = 31;  ///< strengths 0 ... 30
  static constexpr int kMostOperations = 16;

  int operations = 0;  ///< 0: off
  int magnitude = 9;

  bool operator==(const RandAugmentOptions&) const = default;
};

/// "2,12" as operations and magnitude, "off" as none; nothing for what is neither.
[[nodiscard]] std::optional<RandAugmentOptions> parse_rand_augment(const std::string& text);
[[nodiscard]] std::string to_string(const RandAugmentOptions& options);

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
