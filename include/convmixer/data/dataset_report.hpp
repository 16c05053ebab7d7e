/// What can be said about a data set before training on it.
#pragma once

#include "convmixer/data/dataset.hpp"

#include <cstdint>
#include <vector>

namespace convmixer {

struct DatasetReport {
  std::vector<std::int64_t> train_counts;  ///< images of each class
  std::vector<std::int64_t> test_counts;
  Normalisation measured;  ///< of the training images
  /// Images whose every pixel is that of an earlier one: in training, in the test, and test images that are training
  /// images as well.
  std::int64_t repeated_in_train = 0;
  std::int64_t repeated_in_test = 0;
  std::int64_t test_in_train = 0;
  std::int64_t contradicting = 0;  ///< of all these, how many have another label than the earlier one
};

/// Looks at every image of both splits. Throws Error when they don't have the same classes and image sizes,
/// and for an image or a label that isn't what its data set says of itself.
[[nodiscard]] DatasetReport examine(const Dataset& train, const Dataset& test);

}  // namespace convmixer
