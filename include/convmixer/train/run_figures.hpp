/// What can be looked at of a run besides its curves: what its weights take for what, their filters, and the images
/// that they were trained on.
#pragma once

#include "convmixer/figures/filters.hpp"
#include "convmixer/figures/training_samples.hpp"
#include "convmixer/train/run_evaluation.hpp"
#include "convmixer/train/run_folder.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace convmixer {

enum class EvaluationUse {
  none,
  stored,    ///< only what the run's folder keeps (run_evaluation.hpp): takes no time
  computed,  ///< what it keeps, or else a new one: seconds to minutes of all threads
};

struct RunFiguresOptions {
  EvaluationUse evaluation = EvaluationUse::computed;
  RunEvaluationOptions evaluated{};  ///< `data` is where the training images are as well
  std::int64_t samples = 24;         ///< training images, at most; 0: none, and the training data isn't opened
  FilterDrawing filters{};
  std::uintmax_t most_bytes = UINTMAX_MAX;  ///< of weights: larger ones aren't read
};

/// An image as it was trained on.
struct SampleImage {
  PngImage image;
  std::vector<TargetShare> target;  ///< class and share
};

struct RunFigures {
  std::optional<RunEvaluation> evaluation;
  std::string weights;             ///< whose filters they are: "best weights" or "last weights"; empty without
  std::int64_t weights_epoch = 0;  ///< after which these were saved
  std::vector<FilterImage> filters;
  std::vector<SampleImage> samples;         ///< the first ones of an epoch
  std::int64_t samples_epoch = 0;           ///< from 1: that of the weights
  std::vector<std::string> sample_classes;  ///< their names, by label
  std::vector<std::string> missing;         ///< a line for each figure that there is none of: what, and why
};

/// Draws them. What a figure lacks (weights before the end of an epoch, data that was moved) is a line of `missing`,
/// and the others are there. A training that goes on in the folder isn't disturbed, but for the CPU time.
[[nodiscard]] RunFigures draw_run_figures(const RunFolder& folder, const RunFiguresOptions& options = {});

}  // namespace convmixer
