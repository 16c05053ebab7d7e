/// More than one look at an image, for a better prediction.
#pragma once

#include "convmixer/model/network.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace convmixer {

/// Which views of an image are predicted from. A prediction is the weighted mean of the views' probabilities, of which
/// a mirror image, left and right exchanged, always has the weight of what it mirrors.
enum class TestTimeAugmentation {
  none,  ///< the image alone
  flip,  ///< it and its mirror image: 1/2 each
  /// Both, 1/4 each, and what the image is when it is moved by a pixel up and to the left, and down and to the right,
  /// with their mirror images, 1/8 each: the views and weights of airbench's infer_mirror_translate
  /// (https://github.com/KellerJordan/cifar10-airbench), which takes the mean of logits
  flip_shift,
};

/// Runs batches through a network in all views and takes the mean of their probabilities.
class AugmentedInference {
 public:
  /// `network` must outlive this. Throws Error (usage) where images of fewer than two pixels in a direction are to be
  /// moved.
  AugmentedInference(Network& network, TestTimeAugmentation augmentation);

  /// Logits (N, K) of images (N, C, H, W), valid until the next call. Without augmentation they are the network's own;
  /// else the logarithms of the views' mean probabilities, whose softmax those are, so that losses and predictions
  /// follow from them as from a network's. NaN for all classes of an image if a logit of one view is. Throws what
  /// Network::infer does.
  std::span<const float> infer(std::span<const float> images);

  /// The same where the images' own logits, the network's, are known.
  std::span<const float> infer(std::span<const float> images, std::span<const float> own);

 private:
  /// The mean of images and their mirror images, whose logits are `mean` before; it is in `mean` then.
  void add_mirror_images(std::span<const float> images, std::span<float> mean);

  Network* network_;
  TestTimeAugmentation augmentation_;
  std::vector<float> mirrored_;  // (N, C, H, W), as `shifted_`
  std::vector<float> shifted_;
  std::vector<float> logits_;  // (N, K), as the next two
  std::vector<float> shifted_logits_;
  std::vector<float> both_shifts_;
};

/// Exchanges left and right in images whose rows are `width` values, (..., W). Throws Error (usage) for a width below
/// 1, values that aren't whole rows, and spans of different sizes.
void mirror(std::span<const float> images, std::int64_t width, std::span<float> mirrored);

/// Where images are moved to, by a pixel in both directions.
enum class Shift { up_left, down_right };

/// Moves images (..., H, W). What comes in at a border is what is reflected in it: rows 0, 1, 2 moved down are 1, 0, 1.
/// Throws Error (usage) for a height
/// or width below 2, values that aren't whole images, and spans of different sizes.
void shift(std::span<const float> images, std::int64_t height, std::int64_t width, Shift direction,
           std::span<float> shifted);

/// log((softmax(one) + softmax(other)) / 2) for N rows of K logits each. `mean` may be one of the two. Throws Error
/// (usage) for fewer than one class, values that aren't whole rows, and spans of different sizes.
void mean_of_probabilities(std::span<const float> one, std::span<const float> other, std::int64_t classes,
                           std::span<float> mean);

}  // namespace convmixer
