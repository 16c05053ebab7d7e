/// An evaluation as `eval` prints it.
#pragma once

#include "convmixer/train/evaluate.hpp"
#include "convmixer/train/progress.hpp"

#include <span>
#include <string>

namespace convmixer::tool {

/// Loss and accuracy, calibration, a table of the classes, the confusion matrix where it fits the terminal's width, and
/// the most frequent confusions. Of many classes the table has those with the lowest F1. On a terminal, long names are
/// cut to its width. `seconds`: that the evaluation took.
[[nodiscard]] std::string format_evaluation(const Evaluation& evaluation, std::span<const std::string> class_names,
                                            double seconds, const Terminal& terminal);

}  // namespace convmixer::tool
