/// Random brightness, contrast and saturation: torchvision.transforms.ColorJitter on PIL images, without hue.
#pragma once

#include "convmixer/core/rng.hpp"
#include "convmixer/data/augment/image_operation.hpp"

#include <array>

namespace convmixer {

/// Each factor is uniform between max(0, 1 - x) and 1 + x; 0 = off.
struct JitterOptions {
  float brightness = 0.0F;
  float contrast = 0.0F;
  float saturation = 0.0F;

  [[nodiscard]] bool is_on() const noexcept { return brightness > 0.0F || contrast > 0.0F || saturation > 0.0F; }
  bool operator==(const JitterOptions&) const = default;
};

/// The operations in the order in which to apply them, each order equally likely; identity for those that are off.
[[nodiscard]] std::array<ImageOperation, 3> draw_jitter(const JitterOptions& options, Rng& rng);

}  // namespace convmixer
