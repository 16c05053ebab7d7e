/// The settings of TrainConfig that say whether and how weights are averaged.
#pragma once

#include "convmixer/train/option.hpp"
#include "convmixer/train/train_config.hpp"

#include <string>

namespace convmixer {

/// `config` must outlive them.
[[nodiscard]] OptionGroup averaging_options(TrainConfig& config);

/// Throws Error (usage) for a setting that has no effect with the others.
void check_averaging_options(const TrainConfig& config);

/// How weights are averaged, for what a weights file says of itself: "ema 0.998", "ema 0.998, statistics recomputed";
/// empty if they aren't.
[[nodiscard]] std::string describe_averaging(const WeightAverageOptions& average);

}  // namespace convmixer
