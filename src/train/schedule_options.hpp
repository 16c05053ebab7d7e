/// The settings of TrainConfig that say how long a run is and which learning rate it has when.
#pragma once

#include "convmixer/train/option.hpp"
#include "convmixer/train/train_config.hpp"

namespace convmixer {

/// `config` must outlive them.
[[nodiscard]] OptionGroup schedule_options(TrainConfig& config);

/// Throws Error (usage) for a setting that has no effect with the others, and for two that contradict each other.
void check_schedule_options(const TrainConfig& config);

}  // namespace convmixer
