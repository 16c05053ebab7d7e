/// An evaluation's numbers for other programs.
#pragma once

#include "convmixer/train/evaluate.hpp"

#include <nlohmann/json.hpp>

#include <span>
#include <string>

namespace convmixer::tool {

/// Appends them to an object:
///   images, loss, accuracy, top5
///   unpredicted          images whose logits are not numbers; those that follow from them (loss, calibration) are null
///   macro                {classes, precision, recall, f1}: means over the classes that occur
///   calibration          {error, confidence, bins: [{above, to, images, accuracy, confidence}]}; null in bins
///                        without images
///   classes              [{name, images, predicted, correct, precision, recall, f1}], by label
///   confusions           [{label, prediction, images}]: what was taken for something else, most frequent first
void add_evaluation(nlohmann::ordered_json& object, const Evaluation& evaluation,
                    std::span<const std::string> class_names);

}  // namespace convmixer::tool
