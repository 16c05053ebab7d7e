/// What a step takes from the loader.
#pragma once

#include "convmixer/data/augment/image_shape.hpp"

#include <cstdint>
#include <span>

namespace convmixer {

/// One batch, or a rank's part of it, borrowed from the loader until the next call.
struct Batch {
  std::int64_t size = 0;                 ///< images here
  std::int64_t size_of_all_ranks = 0;    ///< and on all ranks: what a mean over the step divides by
  ImageShape shape{};                    ///< of each image: the data set's, or reduced (LoaderOptions::image_sizes)
  std::span<const float> images;         ///< (N, C, H, W)
  std::span<const std::int32_t> labels;  ///< the class that has most of an image's target
  std::span<const float> targets;  ///< (N, classes), each row adding up to 1; empty without mixing: all is the label's
};

}  // namespace convmixer
