/// More than one look at an image, for a better prediction.
#pragma once

#include "convmixer/model/network.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace convmixer {

/// Which views of an image are predicted from.
enum class TestTimeAugmentation {
  none,  ///< the image alone
  flip,  ///< it and its mirror image, left and right exchanged
};

/// Runs batches through a network in all views and takes the mean of their probabilities.
class AugmentedInference {
 public:
  /// `network` must outlive this.
  AugmentedInference(Network& network, TestTimeAugmentation augmentation);

  /// Logits (N, K) of images (N, C, H, W), valid until the next call. Without augmentation they are the network's own;
  /// else the logarithms of the views' mean probabilities, whose softmax those are, so that losses and predictions
  /// follow from them as from a network's. NaN for all classes of an image if a logit of one view is. Throws what
  /// Network::infer does.
  std::span<const float> infer(std::span<const float> images);

 private:
  Network* network_;
  TestTimeAugmentation augmentation_;
  std::vector<float> mirrored_;  // (N, C, H, W)
  std::vector<float> logits_;    // (N, K)
};

/// Exchanges left and right in images whose rows are `width` values, (..., W). Throws Error (usage) for a width below
/// 1, values that aren't whole rows, and spans of different sizes.
void mirror(std::span<const float> images, std::int64_t width, std::span<float> mirrored);

/// log((softmax(one) + softmax(other)) / 2) for N rows of K logits each. `mean` may be one of the two. Throws Error
/// (usage) for fewer than one class, values that aren't whole rows, and spans of different sizes.
void mean_of_probabilities(std::span<const float> one, std::span<const float> other, std::int64_t classes,
                           std::span<float> mean);

}  // namespace convmixer
