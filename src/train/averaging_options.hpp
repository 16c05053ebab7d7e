/// The settings of TrainConfig that say whether and how weights are averaged.
#pragma once

#include "convmixer/train/option.hpp"
#include "convmixer/train/train_config.hpp"

#include <cstdint>
#include <string>

namespace convmixer {

/// `config` must outlive them.
[[nodiscard]] OptionGroup averaging_options(TrainConfig& config);

/// Throws Error (usage) for a setting that has no effect with the others.
void check_averaging_options(const TrainConfig& config);

/// Training images with which the statistics of averaged weights are computed anew after each epoch, of so many
/// training images: whole batches, no more than an epoch has; 0 where they aren't.
[[nodiscard]] std::int64_t statistics_images(const TrainConfig& config, std::int64_t train_images);

/// Images evaluated after each epoch, by weights and average, and those for its statistics.
[[nodiscard]] std::int64_t evaluated_images(const TrainConfig& config, std::int64_t train_images,
                                            std::int64_t test_images);

/// How weights are averaged, for what a weights file says of itself: "ema 0.998", "ema 0.998, statistics recomputed";
/// empty if they aren't.
[[nodiscard]] std::string describe_averaging(const WeightAverageOptions& average);

}  // namespace convmixer
