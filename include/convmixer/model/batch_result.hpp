/// What became of the images of a batch, in sums.
#pragma once

#include "convmixer/dist/communicator.hpp"
#include "convmixer/model/loss.hpp"

#include <cstdint>
#include <span>

namespace convmixer {

/// Sums over the images of a batch, so that batches add up.
struct BatchResult {
  std::int64_t images = 0;
  double loss_sum = 0.0;  ///< mean loss times images
  std::int64_t correct = 0;
  std::int64_t correct_top5 = 0;  ///< among the five largest logits (all, if there are fewer classes)

  BatchResult& operator+=(const BatchResult& other) noexcept;
  [[nodiscard]] double loss() const noexcept { return images == 0 ? 0.0 : loss_sum / static_cast<double>(images); }
  [[nodiscard]] double accuracy() const noexcept { return ratio(correct); }
  [[nodiscard]] double accuracy_top5() const noexcept { return ratio(correct_top5); }

 private:
  [[nodiscard]] double ratio(std::int64_t part) const noexcept {
    return images == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(images);
  }
};

/// Of (N, classes) logits, row-major: softmax_cross_entropy and how many are right. Receives and throws what that does.
[[nodiscard]] BatchResult score(std::span<const float> logits, std::int64_t classes, const Targets& targets,
                                std::span<float> gradient = {});
/// All ranks' together, of each one's share of a batch.
[[nodiscard]] BatchResult sum_over_ranks(const BatchResult& result, Communicator& ranks);

}  // namespace convmixer
