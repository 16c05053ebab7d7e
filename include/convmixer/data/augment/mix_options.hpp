/// Mixup (arXiv 1710.09412) and cutmix (arXiv 1905.04899): how images of a batch are mixed with one another.
#pragma once

namespace convmixer {

/// Whose arithmetic: they differ in who is whose partner and in what mixup adds up.
enum class MixVariant {
  /// transforms.v2.MixUp and CutMix of torchvision 0.21: partner is the image before (the last one's for the first);
  /// normalised values are mixed, whatever was erased in them.
  torchvision,
  /// timm's FastCollateMixup, mode "batch": partner is the image at the mirrored place of the batch; bytes are mixed,
  /// rounded to the nearest (ties to even), then normalised, then erased.
  timm,
};

/// The largest alpha that is accepted: beyond it every share is close to 1/2 anyway.
inline constexpr float kMostMixAlpha = 1000.0F;

/// Mixing is drawn once for a batch: whether, which of the two, and how much. See data/augment/mix.hpp in the source.
struct MixOptions {
  float mixup = 0.0F;               ///< alpha of the Beta distribution; 0 = off
  float cutmix = 0.0F;              ///< likewise
  float probability = 1.0F;         ///< of a batch to be mixed at all
  float switch_probability = 0.5F;  ///< of cutmix for a batch that is mixed, when both are on
  MixVariant variant = MixVariant::torchvision;

  [[nodiscard]] bool is_on() const noexcept { return mixup > 0.0F || cutmix > 0.0F; }
};

}  // namespace convmixer
