/// The settings of TrainConfig that say which weights a run begins with.
#pragma once

#include "convmixer/train/option.hpp"
#include "convmixer/train/train_config.hpp"

namespace convmixer {

/// `config` must outlive them.
[[nodiscard]] OptionGroup initial_weights_options(TrainConfig& config);

/// Throws Error (usage) for a setting that has no effect with the others.
void check_initial_weights_options(const TrainConfig& config);

}  // namespace convmixer
