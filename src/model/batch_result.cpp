#include "convmixer/model/batch_result.hpp"

#include "convmixer/core/trace.hpp"

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
  static const TraceName kLoss("loss");
  static const TraceName kInferenceLoss("loss inference");
  const TraceScope scope(gradient.empty() ? kInferenceLoss : kLoss);
  const double loss = softmax_cross_entropy(logits, classes, targets, gradient);
  BatchResult result;
  result.images = static_cast<std::int64_t>(logits.size()) / classes;
  result.loss_sum = loss * static_cast<double>(result.images);
  result.correct = count_in_top(logits, classes, targets.labels, 1);
  result.correct_top5 = count_in_top(logits, classes, targets.labels, 5);
  return result;
}

}  // namespace convmixer
