/// A stem that whitens what it sees of the training images.
#pragma once

#include "convmixer/data/dataset.hpp"
#include "convmixer/graph/parameters.hpp"
#include "convmixer/train/train_config.hpp"

#include <cstdint>
#include <string>

namespace convmixer {

/// How many training images are measured: 5,000, as KellerJordan/cifar10-airbench does, or fewer where those have so
/// many patches, or so large ones, that it would take longer than a few seconds.
[[nodiscard]] std::int64_t images_to_measure(std::int64_t images, std::int64_t patches_per_image,
                                             std::int64_t values_per_patch);

/// whiten_stem by training images at even distances from each other, as some data sets are in the order of their
/// classes, normalised as for training and otherwise as they are: a function of the images, config.mean, config.std and
/// config.seed. Returns what was done, for the first lines of a run. Throws Error (usage), beginning with "stem-init",
/// for a network whose stem can't be whitened.
std::string whiten_stem(const TrainConfig& config, const Dataset& train, Parameters& parameters);

}  // namespace convmixer
