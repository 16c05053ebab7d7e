#include "train/mixing_options.hpp"

#include "convmixer/core/error.hpp"

namespace convmixer {

OptionGroup mixing_options(MixOptions& mix) {
  return {"Mixing of the images of a batch",
          {number_option("mixup", mix.mixup, 0.0F, kMostMixAlpha,
                         "add up two images and their targets, by shares drawn from Beta(X, X); 0: off"),
           number_option("cutmix", mix.cutmix, 0.0F, kMostMixAlpha,
                         "put a box of one image into another, its area drawn from Beta(X, X); 0: off"),
           number_option("mixup-prob", mix.probability, 0.0F, 1.0F, "share of the batches that are mixed"),
           number_option("mixup-switch-prob", mix.switch_probability, 0.0F, 1.0F,
                         "share of cutmix among them when both are on"),
           choice_option("mixup-variant", mix.variant,
                         {{"torchvision", MixVariant::torchvision}, {"timm", MixVariant::timm}},
                         "normalised values with the image before, or bytes with the mirrored one of the batch")}};
}

void check_mixing(const MixOptions& mix) {
  const MixOptions usual;
  if (!(mix.mixup > 0.0F && mix.cutmix > 0.0F) && mix.switch_probability != usual.switch_probability) {
    fail_usage("mixup-switch-prob has no effect unless mixup and cutmix are both on");
  }
  if (!mix.is_on() && (mix.probability != usual.probability || mix.variant != usual.variant)) {
    fail_usage("{} has no effect without mixup or cutmix",
               mix.probability != usual.probability ? "mixup-prob" : "mixup-variant");
  }
}

}  // namespace convmixer
