/// What becomes of an image before a trained network sees it, and what its classes are called.
#pragma once

#include "convmixer/data/image_reader.hpp"
#include "convmixer/model/model_config.hpp"
#include "convmixer/train/config.hpp"
#include "given_weights.hpp"

#include <functional>
#include <string>
#include <vector>

namespace convmixer::tool {

/// Takes the size, fit, mean and standard deviation of the images that weights were trained on into `config`, where
/// they, or else their run, say so. What nobody says gets the usual value, and `note` is told in a line; `is_given`
/// says which of these options the user gives.
void take_image_settings(const GivenWeights& weights, const std::function<bool(const std::string&)>& is_given,
                         const std::function<void(const std::string&)>& note, TrainConfig& config);

/// The settings as a reader's. Throws Error (usage) where they don't fit the model.
[[nodiscard]] ImageReaderOptions image_reader_options(const TrainConfig& config, const ModelConfig& model);

/// The names of the model's classes: `given` (a file with a name in each line, or a list with commas), or those that
/// the weights know, or those of the data set that they know; else their numbers, and `note` is told. Throws Error
/// (usage) where their number isn't the model's.
[[nodiscard]] std::vector<std::string> class_names_for(const GivenWeights& weights, const std::string& given,
                                                       const std::function<void(const std::string&)>& note);

}  // namespace convmixer::tool
