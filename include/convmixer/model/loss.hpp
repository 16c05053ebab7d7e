/// Softmax cross-entropy, with label smoothing and soft targets.
#pragma once

#include <cstdint>
#include <span>

namespace convmixer {

/// What the network should have said. Either `labels` (N class indices) or `soft` (N x K probabilities).
struct Targets {
  std::span<const std::int32_t> labels;
  std::span<const float> soft;
  float label_smoothing = 0.0F;
};

/// Mean over the batch of -sum_k q_k log softmax(logits)_k, with q = (1 - s) * target + s / K as
/// torch.nn.CrossEntropyLoss(label_smoothing=s) defines it. `logits` is (N, K) row-major. If `gradient`
/// is not empty it receives (softmax - q) / N, (N, K). The sum runs in double, in image order.
double softmax_cross_entropy(std::span<const float> logits, std::int64_t classes, const Targets& targets,
                             std::span<float> gradient = {});

/// Number of images whose label is among the `k` largest logits; an equal logit of a lower class ranks first.
/// A logit that is not a number never counts as correct.
std::int64_t count_in_top(std::span<const float> logits, std::int64_t classes, std::span<const std::int32_t> labels,
                          int k);

}  // namespace convmixer
