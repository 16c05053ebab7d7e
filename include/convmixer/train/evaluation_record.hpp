/// An evaluation as a run's folder keeps it, and a report shows it.
#pragma once

#include "convmixer/figures/png.hpp"
#include "convmixer/model/classification_scores.hpp"
#include "convmixer/model/worst_mistakes.hpp"
#include "convmixer/train/evaluation_images.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace convmixer {

/// An image that was taken for something else.
struct MistakenImage {
  Mistake mistake;
  std::string file;  ///< where it comes from; empty: not known
  PngImage image;    ///< its own pixels; of large ones a thumbnail (figures/thumbnail.hpp)
};

struct RunEvaluation {
  EvaluatedSplit split = EvaluatedSplit::test;
  std::int64_t epoch = 0;  ///< whose weights they were; 0: not known
  std::int64_t images = 0;
  double loss = 0.0;  ///< not a number if a logit isn't
  double accuracy = 0.0;
  double accuracy_top5 = 0.0;
  std::int64_t unpredicted = 0;  ///< images with a logit that is not a number
  std::vector<std::string> class_names;
  std::vector<ClassScores> classes;     ///< by label, as many
  std::vector<Confusion> confusions;    ///< the most frequent first; none are left out
  std::vector<MistakenImage> mistakes;  ///< the worst first
};

/// Images of class `row` that were taken for class `column`, for each two: what ClassificationScores::row gives.
[[nodiscard]] std::vector<std::vector<std::int64_t>> confusion_matrix(const RunEvaluation& evaluation);

}  // namespace convmixer
