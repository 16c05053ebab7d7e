/// The settings of TrainConfig that say what is minimised, and by which update of the parameters.
#pragma once

#include "convmixer/train/option.hpp"
#include "convmixer/train/train_config.hpp"

namespace convmixer {

/// `config` must outlive them.
[[nodiscard]] OptionGroup optimizer_options(TrainConfig& config);

/// Throws Error (usage) for a setting that has no effect with the others.
void check_optimizer_options(const TrainConfig& config);

}  // namespace convmixer
