/// The images that a network is most sure of and wrong about: mislabelled ones are among them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace convmixer {

struct Mistake {
  std::int64_t index = 0;  ///< of the image, in the order in which they came
  std::int32_t label = 0;
  std::int32_t predicted = 0;
  double probability = 0.0;        ///< of what was predicted
  double label_probability = 0.0;  ///< of its class
};

/// Collects them from batch to batch; what it holds doesn't grow with the images.
class WorstMistakes {
 public:
  /// Of `most` images at most.
  explicit WorstMistakes(std::size_t most) : most_(most) {}

  /// The next N images: (N, K) logits, row-major, and their labels, 0 to K - 1. An image whose logits aren't all
  /// numbers has no prediction, and so isn't among them. Throws Error (usage), with nothing added, for other sizes and
  /// labels.
  void add(std::span<const float> logits, std::span<const std::int32_t> labels);

  /// The most probable wrong predictions first, of equally probable ones the earlier image.
  [[nodiscard]] const std::vector<Mistake>& mistakes() const noexcept { return worst_; }

 private:
  std::size_t most_;
  std::int64_t images_ = 0;
  std::vector<Mistake> worst_;
};

}  // namespace convmixer
