/// The settings of TrainConfig that say which images a run is trained and tested on, and how batches are made of them.
#pragma once

#include "convmixer/train/option.hpp"
#include "convmixer/train/train_config.hpp"

namespace convmixer {

/// `config` must outlive them.
[[nodiscard]] OptionGroup data_options(TrainConfig& config);

}  // namespace convmixer
