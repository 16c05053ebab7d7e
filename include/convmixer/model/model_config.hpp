/// The configuration of whichever model, and what all models have in common.
#pragma once

#include "convmixer/model/convmixer.hpp"
#include "convmixer/model/mlp_mixer.hpp"
#include "convmixer/model/resnet.hpp"
#include "convmixer/model/vit.hpp"

#include <variant>

namespace convmixer {

/// One alternative for each model of the registry (registry.hpp). Every alternative is a plain struct that has, beside
/// the model's own sizes, `image_size`, `channels` and `classes`.
using ModelConfig = std::variant<ConvMixerConfig, ResNetConfig, MlpMixerConfig, VitConfig>;

/// What a network is to do, whichever model it is: tell classes apart on square images.
struct ClassificationTask {
  int image_size = 32;  ///< height and width in pixels
  int channels = 3;     ///< colours
  int classes = 10;
};

/// The task that a model is configured for.
[[nodiscard]] ClassificationTask task_of(const ModelConfig& model);
/// The same model for another task.
[[nodiscard]] ModelConfig with_task(ModelConfig model, const ClassificationTask& task);

}  // namespace convmixer
