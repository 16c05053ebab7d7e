/// Weights that go with images of one size alone: those of position embeddings, and of MLPs that mix tokens.
#pragma once

#include "convmixer/model/model_config.hpp"

#include <filesystem>
#include <string>

namespace convmixer {

/// The first parameter whose shape is another where images have this height and width; empty if the weights go with
/// images of both sizes. Throws Error (usage) if the model can't have images of this size.
[[nodiscard]] std::string parameter_of_image_size(const ModelConfig& model, int image_size);

/// Throws Error (usage) naming the file if the weights of a file, of this model, don't go with images of this size.
void require_image_size(const std::filesystem::path& weights, const ModelConfig& model, int image_size);

}  // namespace convmixer
