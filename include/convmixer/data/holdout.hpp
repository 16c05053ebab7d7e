/// Training images that are set aside, to tell how good a network is while it is trained and decisions are made.
#pragma once

#include "convmixer/data/dataset.hpp"

#include <cstdint>
#include <memory>

namespace convmixer {

/// How many training images are set aside: a number of them or a share, at most one of the two above 0.
struct HoldoutSize {
  std::int64_t images = 0;
  double share = 0.0;  ///< of all, below 1

  [[nodiscard]] bool is_on() const noexcept { return images > 0 || share > 0.0; }
  bool operator==(const HoldoutSize&) const = default;
};

/// How many of so many images that is; of a share the nearest whole number, at least one. Throws Error (usage) unless
/// that leaves an image to train on, and for a size that is negative, or a share that isn't below 1.
[[nodiscard]] std::int64_t holdout_images(const HoldoutSize& size, std::int64_t images);

/// A data set in two parts, each in the data set's order, with all of its classes and its normalisation.
struct HoldoutSplit {
  std::unique_ptr<Dataset> train;
  std::unique_ptr<Dataset> holdout;
};

/// Splits a data set, which is borrowed. Each class gives as many images as its share (by the method of Sainte-Lague),
/// one at least as far as they go round, but never its last one. Which ones is a function of the seed and of the
/// images' places alone: those of a smaller holdout are among those of a larger one. Throws Error (usage) where
/// holdout_images does, and where the classes can't give so many.
[[nodiscard]] HoldoutSplit split_holdout(const Dataset& dataset, const HoldoutSize& size, std::uint64_t seed);

}  // namespace convmixer
