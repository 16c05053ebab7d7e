#include "convmixer/data/augment/augmentation.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/plural.hpp"

#include <algorithm>
#include <cmath>
#include <string_view>

namespace convmixer {

namespace {

/// `most` may be infinite: then any finite number will do.
void check_range(std::string_view what, float low, float high, float least, float most) {
  if (!(low >= least && low <= high && high <= most && std::isfinite(high)))
    fail_usage("{}: found {} to {}, expected two numbers between {} and {}, the smaller first", what, low, high, least,
               most);
}

void check_probability(std::string_view what, float value) {
  if (!(value >= 0.0F && value <= 1.0F)) fail_usage("{}: found {}, expected 0 to 1", what, value);
}

void check_crops(const Augmentation& augmentation, const ImageShape& shape) {
  const int smaller = std::min(shape.height, shape.width);
  const bool reflects = augmentation.padding == Padding::reflect;
  const int most = reflects ? smaller - 1 : smaller;
  if (augmentation.pad_crop < 0 || augmentation.pad_crop > most)
    fail_usage("pad-crop = {}: padding before the crop, expected 0 to {} {}", augmentation.pad_crop,
               reflects ? "less than the image size" : "the image size", smaller);
  const ResizedCropOptions& resized = augmentation.resized_crop;
  if (resized.scale_high == 0.0F) return;
  if (augmentation.pad_crop > 0) fail_usage("pad-crop and resized-crop exclude each other: set pad-crop = 0");
  check_range("area of the resized crop", resized.scale_low, resized.scale_high, 1e-4F, 1.0F);
  check_range("aspect ratio of the resized crop", resized.ratio_low, resized.ratio_high, 1e-3F, 1e3F);
}

void check_timm(const TimmAugmentOptions& timm) {
  if (timm.operations < 0 || timm.operations > TimmAugmentOptions::kMostOperations)
    fail_usage("operations of auto-augment: found {}, expected 0 to {}", timm.operations,
               TimmAugmentOptions::kMostOperations);
  if (!(timm.magnitude >= 0.0F && timm.magnitude <= TimmAugmentOptions::kHighestMagnitude))
    fail_usage("magnitude of auto-augment: found {}, expected 0 to {}", timm.magnitude,
               TimmAugmentOptions::kHighestMagnitude);
  if (!(timm.deviation >= 0.0F && std::isfinite(timm.deviation)))
    fail_usage("deviation of auto-augment's magnitude: found {}, expected a number of at least 0", timm.deviation);
  check_probability("probability of auto-augment's operations", timm.probability);
}

void check_erasing(const ErasingOptions& erasing) {
  check_probability("probability of random erasing", erasing.probability);
  check_range("area of random erasing", erasing.scale_low, erasing.scale_high, 0.0F, 1.0F);
  check_range("aspect ratio of random erasing", erasing.ratio_low, erasing.ratio_high, 1e-3F, 1e3F);
}

}  // namespace

void check_augmentation(const Augmentation& augmentation, const ImageShape& shape) {
  check_crops(augmentation, shape);
  if (augmentation.alternating_flip && !augmentation.horizontal_flip)
    fail_usage("alternating-flip has no effect without horizontal-flip");
  const RandAugmentOptions& rand = augmentation.rand_augment;
  const TimmAugmentOptions& timm = augmentation.timm_augment;
  if (rand.operations < 0 || rand.operations > RandAugmentOptions::kMostOperations)
    fail_usage("operations of randaugment: found {}, expected 0 to {}", rand.operations,
               RandAugmentOptions::kMostOperations);
  if (rand.magnitude < 0 || rand.magnitude >= RandAugmentOptions::kBins)
    fail_usage("magnitude of randaugment: found {}, expected 0 to {}", rand.magnitude, RandAugmentOptions::kBins - 1);
  check_timm(timm);
  if (rand.operations > 0 && timm.operations > 0) fail_usage("randaugment and auto-augment exclude each other");
  const JitterOptions& jitter = augmentation.jitter;
  for (const float strength : {jitter.brightness, jitter.contrast, jitter.saturation}) {
    if (!(strength >= 0.0F && std::isfinite(strength)))
      fail_usage("jitter: found {}, expected a number of at least 0", strength);
  }
  if ((rand.operations > 0 || timm.operations > 0 || jitter.is_on()) && shape.channels != 1 && shape.channels != 3)
    fail_usage("augmentation of colours: the images have {}, expected 1 or 3", counted(shape.channels, "channel"));
  check_erasing(augmentation.erasing);
  if (augmentation.cutout < 0 || augmentation.cutout > std::max(shape.height, shape.width))
    fail_usage("cutout: found {}, expected 0 to the image size {}", augmentation.cutout,
               std::max(shape.height, shape.width));
}

}  // namespace convmixer
