/// The settings of MixOptions.
#pragma once

#include "convmixer/data/augment/mix_options.hpp"
#include "convmixer/train/option.hpp"

namespace convmixer {

/// `mix` must outlive them.
[[nodiscard]] OptionGroup mixing_options(MixOptions& mix);

/// Throws Error (usage) for a setting that has no effect with the others.
void check_mixing(const MixOptions& mix);

}  // namespace convmixer
