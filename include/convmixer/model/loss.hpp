/// Softmax cross-entropy, with label smoothing and soft targets, and how often the network is right.
#pragma once

#include <cstdint>
#include <span>

namespace convmixer {

/// What the network should have said about N images of K classes: labels, soft targets or both.
struct Targets {
  std::span<const std::int32_t> labels{};  ///< N classes, 0 to K - 1: what accuracy counts; the loss too without `soft`
  std::span<const float> soft{};           ///< (N, K) probabilities, finite: what the loss is of, if given
  float label_smoothing = 0.0F;            ///< 0 to 1
};

/// Throws Error (usage), naming what was found and what was expected, unless `targets` has labels, soft targets or both
/// for so many images and classes, all of them in range.
void check_targets(const Targets& targets, std::int64_t images, std::int64_t classes);

/// Mean over the batch of -sum_k q_k log softmax(logits)_k, with q = (1 - s) * target + s / K as
/// torch.nn.CrossEntropyLoss(label_smoothing=s) defines it. `logits` is (N, K) row-major, N and K at least 1. If
/// `gradient` is not empty it receives (softmax - q) / N, (N, K). The sum runs in double, over chunks of images that
/// are added up in a binary tree, both fixed by N: the same bits every time. Throws Error (usage) for spans of other
/// sizes, and as check_targets does. Logits that aren't finite give a loss that isn't.
double softmax_cross_entropy(std::span<const float> logits, std::int64_t classes, const Targets& targets,
                             std::span<float> gradient = {});

/// Number of images whose label is among the `k` largest logits; an equal logit of a lower class ranks first.
/// With a logit that is not a number an image never counts: a broken network must not look right. `logits` is (N, K)
/// row-major; 0 without labels. Throws Error (usage) for k < 1, any other number of labels than N, and labels that
/// aren't 0 to K - 1.
std::int64_t count_in_top(std::span<const float> logits, std::int64_t classes, std::span<const std::int32_t> labels,
                          int k);

}  // namespace convmixer
