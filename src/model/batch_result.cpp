#include "convmixer/model/batch_result.hpp"

#include "convmixer/core/trace.hpp"
#include "core/batch_chunks.hpp"
#include "model/share_loss.hpp"
#include "model/share_score.hpp"

#include <array>

namespace convmixer {

BatchResult& BatchResult::operator+=(const BatchResult& other) noexcept {
  images += other.images;
  loss_sum += other.loss_sum;
  correct += other.correct;
  correct_top5 += other.correct_top5;
  return *this;
}

BatchResult score(std::span<const float> logits, std::int64_t classes, const Targets& targets,
                  std::span<float> gradient) {
  const std::size_t images = classes < 1 ? 0 : logits.size() / static_cast<std::size_t>(classes);
  return score_share(logits, classes, targets, BatchChunks(images), gradient);
}

BatchResult score_share(std::span<const float> logits, std::int64_t classes, const Targets& targets,
                        const BatchChunks& share, std::span<float> gradient) {
  static const TraceName kLoss("loss");
  static const TraceName kInferenceLoss("loss inference");
  const TraceScope scope(gradient.empty() ? kInferenceLoss : kLoss);
  BatchResult result;
  result.loss_sum = cross_entropy_sum(logits, classes, targets, share, gradient);
  result.images = static_cast<std::int64_t>(logits.size()) / classes;
  result.correct = count_in_top(logits, classes, targets.labels, 1);
  result.correct_top5 = count_in_top(logits, classes, targets.labels, 5);
  return result;
}

BatchResult sum_over_ranks(const BatchResult& result, Communicator& ranks) {
  std::array<double, 4> sums{static_cast<double>(result.images), result.loss_sum, static_cast<double>(result.correct),
                             static_cast<double>(result.correct_top5)};
  ranks.sum(std::span<double>(sums));
  return {.images = static_cast<std::int64_t>(sums[0]),
          .loss_sum = sums[1],
          .correct = static_cast<std::int64_t>(sums[2]),
          .correct_top5 = static_cast<std::int64_t>(sums[3])};
}

}  // namespace convmixer
