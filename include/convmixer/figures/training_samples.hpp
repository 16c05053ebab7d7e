/// What a network sees in training: images as its loader prepares them, turned back into colours, with their labels.
#pragma once

#include "convmixer/core/thread_pool.hpp"
#include "convmixer/data/dataset.hpp"
#include "convmixer/data/loader_options.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace convmixer {

/// Pixels of an image, (C, H, W).
struct ImagePlanes {
  int channels = 0;
  int side = 0;  ///< height and width
  std::vector<std::uint8_t> pixels;
};

/// A class and its share of an image's target.
struct TargetShare {
  std::int32_t label = 0;
  double share = 1.0;
};

struct TrainingSample {
  std::int64_t index = 0;  ///< in the data set
  ImagePlanes image;       ///< of the epoch's size, which may be smaller than the data set's
  ImagePlanes original;    ///< what it was made of; of mixed images the first
  /// The class, or where images were mixed the two that have most of the target, those below 1% left out.
  std::vector<TargetShare> target;
};

/// The first `count` samples of an epoch, from 1, in the order in which a training with these options gets them: those
/// of an epoch that has fewer are all there are. Values beyond black and white become these. Throws Error (usage) for
/// options that the loader refuses, and those of one of several ranks.
[[nodiscard]] std::vector<TrainingSample> training_samples(std::int64_t count, std::int64_t epoch,
                                                           const LoaderOptions& options, const Dataset& train,
                                                           ThreadPool& pool);

}  // namespace convmixer
