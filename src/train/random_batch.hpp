/// A batch to measure steps with where there is no data.
#pragma once

#include "convmixer/data/batch.hpp"
#include "convmixer/model/model_config.hpp"

#include <cstdint>
#include <vector>

namespace convmixer {

/// Normally distributed images of a task's shape, and its classes in turn. The same at each call.
struct RandomBatch {
  RandomBatch(const ClassificationTask& task, std::int64_t size);

  ImageShape shape;
  std::vector<float> images;  // (N, C, H, W)
  std::vector<std::int32_t> labels;

  [[nodiscard]] Batch batch() const;
};

}  // namespace convmixer
