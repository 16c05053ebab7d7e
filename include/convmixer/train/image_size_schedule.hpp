/// Which image size a run trains on in which of its epochs.
#pragma once

#include "convmixer/data/image_sizes.hpp"
#include "convmixer/model/model_config.hpp"
#include "convmixer/train/train_config.hpp"

#include <vector>

namespace convmixer {

/// The epochs of each image size, of those of the learning rate's schedule; none if images keep their size. Throws
/// Error (usage) for shares that make no sense.
[[nodiscard]] std::vector<ImageSizeStretch> image_size_stretches(const TrainConfig& config);

/// Throws Error (usage) unless a model, for images of the data set's size (task_of), can be trained on all of
/// config.image_sizes: none is larger, the last is the data set's, and the network sees all of their pixels.
void check_image_sizes(const TrainConfig& config, const ModelConfig& model);

}  // namespace convmixer
