#include "convmixer/train/evaluation_record.hpp"

#include <cstddef>

namespace convmixer {

std::vector<std::vector<std::int64_t>> confusion_matrix(const RunEvaluation& evaluation) {
  const std::size_t classes = evaluation.classes.size();
  std::vector<std::vector<std::int64_t>> matrix(classes, std::vector<std::int64_t>(classes, 0));
  for (std::size_t i = 0; i < classes; ++i) matrix[i][i] = evaluation.classes[i].correct;
  for (const Confusion& one : evaluation.confusions)
    matrix.at(static_cast<std::size_t>(one.label)).at(static_cast<std::size_t>(one.predicted)) = one.images;
  return matrix;
}

}  // namespace convmixer
