/// What a loader makes of a data set.
#pragma once

#include "convmixer/data/augment/augmentation.hpp"
#include "convmixer/data/augment/mix_options.hpp"
#include "convmixer/data/image_sizes.hpp"
#include "convmixer/data/normalisation.hpp"

#include <cstdint>
#include <vector>

namespace convmixer {

struct LoaderOptions {
  std::int64_t batch_size = 128;  ///< images of a step, over all ranks
  bool shuffle = false;
  bool drop_last = false;  ///< leave out a last batch shorter than batch_size
  std::uint64_t seed = 0;
  int prefetch = 4;  ///< batches prepared ahead, at least 1
  Augmentation augmentation{};
  /// To which size images are reduced in which epochs, after they were augmented and before they are mixed, normalised
  /// and erased; without stretches they stay as they are.
  std::vector<ImageSizeStretch> image_sizes{};
  MixOptions mix{};
  Normalisation normalisation;
  /// Of several processes that train together, each has a loader with the same options but its own rank, 0..ranks - 1.
  /// It gives the rank's share of each batch: images that lie together, those that Network::train_share takes, of each
  /// micro-batch where the training step takes these (Network::set_micro_batch, the same number). Together the ranks
  /// have, image for image, the batches that one process alone would have. All have the same number of batches; of a
  /// short one some ranks may have none (Batch::size is 0).
  int rank = 0;
  int ranks = 1;
  std::int64_t micro_batch = 0;
};

}  // namespace convmixer
