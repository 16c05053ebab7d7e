/// How training images are augmented.
#pragma once

#include "convmixer/data/augment/image_shape.hpp"

#include <optional>
#include <string>

namespace convmixer {

/// What lies beyond an image's border: black, or the image mirrored about its outermost pixels (cba|abc without the
/// second a: numpy's and torchvision's "reflect").
enum class Padding { zeros, reflect };

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

/// RandAugment (Cubuk et al., arXiv 1909.13719) as torchvision has it: how many operations are drawn for an image, and
/// how strong they are.
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

/// RandAugment as timm has it (timm.data.auto_augment), by its own description, "rand-m9-mstd0.5-inc1" for one. What
/// that says: "rand", then, each after a dash and each if wanted, m: magnitude 0 to 10; n: operations for an image;
/// mstd: standard deviation of the magnitude, over 100 standing for a uniform magnitude from 0 to m; p: probability of
/// each operation; inc: 1 for operations whose strength grows with the magnitude, 0 for timm's first ones, some of
/// which get weaker.
struct TimmAugmentOptions {
  static constexpr int kMostOperations = 16;
  static constexpr float kHighestMagnitude = 10.0F;

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

/// Random brightness, contrast and saturation: torchvision.transforms.ColorJitter on PIL images, without hue.
/// Each factor is uniform between max(0, 1 - x) and 1 + x; 0 = off.
struct JitterOptions {
  float brightness = 0.0F;
  float contrast = 0.0F;
  float saturation = 0.0F;

  [[nodiscard]] bool is_on() const noexcept { return brightness > 0.0F || contrast > 0.0F || saturation > 0.0F; }
  bool operator==(const JitterOptions&) const = default;
};

/// Random erasing (Zhong et al., arXiv 1708.04896) as torchvision.transforms.RandomErasing and timm have it.
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

/// Everything that may be done to a training image, in this order; by default nothing. `pad_crop` and `resized_crop`
/// exclude each other, so do `rand_augment` and `timm_augment`.
struct Augmentation {
  int pad_crop = 0;                  ///< border on each side, then a crop of the image's own size at random; 0 = off
  bool horizontal_flip = false;      ///< with probability 1/2
  Padding padding = Padding::zeros;  ///< of pad_crop
  ResizedCropOptions resized_crop{};
  /// With horizontal_flip: drawn for an image's first epoch only, then every other epoch has it the other way round
  /// (Jordan, arXiv 2404.00498).
  bool alternating_flip = false;
  RandAugmentOptions rand_augment{};
  TimmAugmentOptions timm_augment{};
  JitterOptions jitter{};
  ErasingOptions erasing{};  ///< after normalisation
  int cutout = 0;            ///< side of the square, after normalisation; 0 = off
};

/// Throws Error (usage) saying what doesn't fit: values out of range, or with each other, or with such images.
void check_augmentation(const Augmentation& augmentation, const ImageShape& shape);

}  // namespace convmixer
