/// The network that a training begins with.
#pragma once

#include "convmixer/model/network.hpp"
#include "convmixer/train/config.hpp"

namespace convmixer {

/// A network of random weights by config.seed, with the parts of config.freeze frozen, that takes images of all sizes
/// of config.image_sizes. Throws Error (usage) for a model that has other parameters for them.
[[nodiscard]] Network initial_network(const TrainConfig& config, const ModelConfig& model, Precision precision,
                                      Engine& engine);

}  // namespace convmixer
