#include "augmentation_text.hpp"

#include "convmixer/core/plural.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

namespace convmixer::tool {
namespace {

/// "20%"
std::string short_percent(float share) { return fmt::format("{:.4g}%", 100.0F * share); }

std::string crop_text(const ResizedCropOptions& crop) {
  using Filter = ResizedCropOptions::Filter;
  const char* const filter = crop.filter == Filter::bilinear  ? "bilinear"
                             : crop.filter == Filter::bicubic ? "bicubic"
                                                              : "bilinear or bicubic";
  return fmt::format("resized crops of {} to {} of the area ({}, ratio {:.4g} to {:.4g})",
                     short_percent(crop.scale_low), short_percent(crop.scale_high), filter, crop.ratio_low,
                     crop.ratio_high);
}

std::string jitter_text(const JitterOptions& jitter) {
  return fmt::format("brightness, contrast and saturation changed by up to {}, {} and {}",
                     short_percent(jitter.brightness), short_percent(jitter.contrast),
                     short_percent(jitter.saturation));
}

std::string erasing_text(const ErasingOptions& erasing) {
  return fmt::format("{} erased in part ({} to {} of the area, {})", short_percent(erasing.probability),
                     short_percent(erasing.scale_low), short_percent(erasing.scale_high),
                     erasing.fill == ErasingOptions::Fill::noise ? "noise" : "mean colour");
}

}  // namespace

std::string describe(const Augmentation& a) {
  std::vector<std::string> parts;
  if (a.pad_crop > 0)
    parts.push_back(fmt::format("random crops out of a {}border of {}",
                                a.padding == Padding::reflect ? "mirrored " : "", counted(a.pad_crop, "pixel")));
  if (a.resized_crop.is_on()) parts.push_back(crop_text(a.resized_crop));
  if (a.horizontal_flip) parts.emplace_back(a.alternating_flip ? "alternating flips" : "horizontal flips");
  if (a.rand_augment.operations > 0) parts.push_back(fmt::format("RandAugment({})", to_string(a.rand_augment)));
  if (a.timm_augment.operations > 0) parts.push_back(fmt::format("timm's {}", to_string(a.timm_augment)));
  if (a.jitter.is_on()) parts.push_back(jitter_text(a.jitter));
  if (a.erasing.probability > 0.0F) parts.push_back(erasing_text(a.erasing));
  if (a.cutout > 0) parts.push_back(fmt::format("cutout of {} x {}", a.cutout, counted(a.cutout, "pixel")));
  return parts.empty() ? "none" : fmt::format("{}", fmt::join(parts, ", "));
}

std::string describe(const MixOptions& mix) {
  if (!mix.is_on()) return "none";
  std::vector<std::string> kinds;
  if (mix.mixup > 0.0F) kinds.push_back(fmt::format("mixup {}", mix.mixup));
  if (mix.cutmix > 0.0F) kinds.push_back(fmt::format("cutmix {}", mix.cutmix));
  std::string text = fmt::format("{}", fmt::join(kinds, " or "));
  if (kinds.size() > 1) text += fmt::format(" ({} cutmix)", short_percent(mix.switch_probability));
  if (mix.probability < 1.0F) text += fmt::format(" of {} of the batches", short_percent(mix.probability));
  return text + (mix.variant == MixVariant::timm ? ", as in timm" : ", as in torchvision");
}

}  // namespace convmixer::tool
