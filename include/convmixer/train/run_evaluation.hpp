/// What a run's best weights make of the images that its epochs go by: test images, or those that it held out. It is
/// kept in the run's folder, so that a report of the same weights needs neither the time nor the data again.
#pragma once

#include "convmixer/train/evaluation_record.hpp"
#include "convmixer/train/run_folder.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace convmixer {

struct RunEvaluationOptions {
  std::filesystem::path data{};  ///< where the images are now; empty: where the run's configuration says
  std::size_t mistakes = 24;     ///< at most
  /// Told what is odd about the data, and why a result isn't kept, a line each.
  std::function<void(const std::string&)> note{};
  std::function<void(std::int64_t done, std::int64_t images)> progress{};
};

/// Where a run's folder keeps it: best.evaluation.json, beside the weights.
[[nodiscard]] std::filesystem::path evaluation_file(const RunFolder& folder);

/// The result that the folder keeps; nothing if it keeps none, one of other weights than the best are now, or something
/// that is no such file. Throws Error for best weights that can't be read.
[[nodiscard]] std::optional<RunEvaluation> stored_evaluation(const RunFolder& folder);

/// Evaluates the best weights with the run's settings, and keeps the result beside them, whole or not at all; a folder
/// that can't be written to gets none. What is stored already is looked at by no one: see stored_evaluation. A training
/// that goes on in the folder may replace its weights meanwhile. Throws Error for a run without best weights, for data
/// that isn't there or isn't what the weights know, and for files that can't be read.
[[nodiscard]] RunEvaluation evaluate_run(const RunFolder& folder, const RunEvaluationOptions& options = {});

}  // namespace convmixer
