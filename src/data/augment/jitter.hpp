/// Random brightness, contrast and saturation: torchvision.transforms.ColorJitter on PIL images, without hue.
#pragma once

#include "convmixer/core/rng.hpp"
#include "convmixer/data/augment/augmentation.hpp"
#include "data/augment/image_operation.hpp"

#include <array>

namespace convmixer {

/// The operations in the order in which to apply them, each order equally likely; identity for those that are off.
[[nodiscard]] std::array<ImageOperation, 3> draw_jitter(const JitterOptions& options, Rng& rng);

}  // namespace convmixer
