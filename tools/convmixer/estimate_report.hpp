/// How long a training will take, as `info --estimate` and `train --dry-run` print it.
#pragma once

#include "convmixer/checkpoint/checkpoint.hpp"
#include "convmixer/train/config.hpp"
#include "convmixer/train/option.hpp"
#include "convmixer/train/run_estimate.hpp"

#include <functional>
#include <string>

namespace convmixer::tool {

/// Of random images, of a data set as CIFAR is published or of what --train-images and --test-images leave of it.
/// Throws Error (usage) for a data set of which nobody knows its size without its files.
[[nodiscard]] EstimateData data_without_files(const TrainConfig& config);
/// Of a training's data.
[[nodiscard]] EstimateData data_of(const Dataset& train, const Dataset& test);

/// "estimate-seconds".
[[nodiscard]] Option estimate_seconds_option(EstimateLimits& limits);

/// Measures, after saying that it takes its time; then says, for a run that stands at `position`, what is to be
/// expected in each precision. `print_lines` is given lines without the last one's end.
void print_estimate(const TrainConfig& config, const PrecisionChoice& choice, const EstimateData& data,
                    const TrainingPosition& position, const EstimateLimits& limits, Engine& engine,
                    const std::function<void(const std::string&)>& print_lines, bool colour);

}  // namespace convmixer::tool
