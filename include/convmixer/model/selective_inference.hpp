/// A first look at every image, further views of those it leaves in doubt.
#pragma once

#include "convmixer/model/network.hpp"
#include "convmixer/model/test_time_augmentation.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <span>
#include <vector>

namespace convmixer {

/// Which views are taken, and of which images.
struct TestTimeViews {
  TestTimeAugmentation augmentation = TestTimeAugmentation::none;
  /// An image whose most probable class, by itself alone, has a probability below this gets the further views; 1: every
  /// image.
  double below = 1.0;

  [[nodiscard]] bool are_of_some_images() const noexcept {
    return augmentation != TestTimeAugmentation::none && below < 1.0;
  }
};

struct InferredBatch {
  std::span<const float> logits;               ///< (N, K), as AugmentedInference gives them
  std::span<const std::uint8_t> looked_again;  ///< (N): 1 for an image that got further views, else 0
};

/// Runs a stream of batches through a network. Images in doubt are gathered over as many batches as it takes to fill
/// one, as large as the first; what is decided depends on the image alone, and so, in fused plans, does every bit of
/// its logits. An image whose own logits aren't all numbers stays as it is.
class SelectiveInference {
 public:
  using Results = std::function<void(const InferredBatch&)>;

  /// `network` must outlive this. Throws Error (usage) for a probability that isn't within 0 and 1, and as
  /// AugmentedInference does.
  SelectiveInference(Network& network, const TestTimeViews& views, Results results);

  /// Takes images (N, C, H, W). Calls `results` for each batch that is ready, in the order in which they came: this one
  /// at once unless the views are of some images only. Throws what Network::infer does.
  void add(std::span<const float> images);

  /// After the last batch: calls `results` for those that aren't ready yet.
  void finish();

 private:
  struct Batch {
    std::vector<float> logits;
    std::vector<std::uint8_t> looked_again;
    std::int64_t in_doubt = 0;  ///< that wait for their further views
  };
  struct Place {
    std::int64_t batch = 0;  ///< by its number from the first one on
    std::size_t image = 0;
  };

  void look_again();
  void hand_over();

  Network* network_;
  TestTimeViews views_;
  Results results_;
  AugmentedInference inference_;
  std::deque<Batch> waiting_;
  std::int64_t first_waiting_ = 0;  // its number
  std::size_t most_gathered_ = 0;
  std::vector<Place> gathered_;
  std::vector<float> images_;  // of those gathered
  std::vector<float> logits_;
  std::vector<std::uint8_t> all_alike_;
};

}  // namespace convmixer
