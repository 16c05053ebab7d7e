/// The settings of TrainConfig that set training images aside.
#pragma once

#include "convmixer/train/option.hpp"
#include "convmixer/train/train_config.hpp"

#include <vector>

namespace convmixer {

/// `config` must outlive them.
[[nodiscard]] std::vector<Option> holdout_options(TrainConfig& config);

/// Throws Error (usage) naming a setting that has no effect.
void check_holdout_options(const TrainConfig& config);

}  // namespace convmixer
