#include "train/random_batch.hpp"

#include "convmixer/core/rng.hpp"

namespace convmixer {

RandomBatch::RandomBatch(const ClassificationTask& task, std::int64_t size)
    : shape{task.channels, task.image_size, task.image_size} {
  Rng rng(1, RandomStream::synthetic_data);
  images.resize(static_cast<std::size_t>(size) * shape.bytes());
  for (float& value : images) value = rng.normal();
  for (std::int64_t i = 0; i < size; ++i) labels.push_back(static_cast<std::int32_t>(i % task.classes));
}

Batch RandomBatch::batch() const {
  const auto size = static_cast<std::int64_t>(labels.size());
  return {.size = size, .size_of_all_ranks = size, .shape = shape, .images = images, .labels = labels, .targets = {}};
}

}  // namespace convmixer
