/// The settings of Augmentation.
#pragma once

#include "convmixer/data/augment/augmentation.hpp"
#include "convmixer/train/option.hpp"

namespace convmixer {

/// `augmentation` must outlive them.
[[nodiscard]] OptionGroup augmentation_options(Augmentation& augmentation);

}  // namespace convmixer
