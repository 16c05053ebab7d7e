/// The network that a training begins with.
#pragma once

#include "convmixer/model/network.hpp"
#include "convmixer/train/config.hpp"

#include <string>

namespace convmixer {

/// A network of random weights by config.seed, its depthwise filters as config.depthwise_init says, with the parts of
/// config.freeze frozen, that takes images of all sizes of config.image_sizes, and batches in micro-batches of at most
/// config.micro_batch. Throws Error (usage) for a model that has other parameters for other sizes.
[[nodiscard]] Network initial_network(const TrainConfig& config, const ModelConfig& model, Precision precision,
                                      Engine& engine);

/// How config.depthwise_init drew them, for the first lines of a run; empty for the usual way.
[[nodiscard]] std::string describe_depthwise_filters(const TrainConfig& config);

}  // namespace convmixer
