#include "convmixer/model/loss.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>

namespace convmixer {

double softmax_cross_entropy(std::span<const float> logits, std::int64_t classes, const Targets& targets,
                             std::span<float> gradient) {
  const auto count = static_cast<std::size_t>(classes);
  const std::size_t images = logits.size() / count;
  assert(targets.soft.empty() ? targets.labels.size() == images : targets.soft.size() == logits.size());
  const float even = targets.label_smoothing / static_cast<float>(classes);
  const float kept = 1.0F - targets.label_smoothing;
  const float per_image = 1.0F / static_cast<float>(images);

  double sum = 0.0;
  for (std::size_t image = 0; image < images; ++image) {
    const std::span<const float> row = logits.subspan(image * count, count);
    const auto target = [&](std::size_t k) {
      const float given = targets.soft.empty()
                              ? static_cast<float>(static_cast<std::size_t>(targets.labels[image]) == k)
                              : targets.soft[image * count + k];
      return kept * given + even;
    };
    const float largest = *std::ranges::max_element(row);
    double exponentials = 0.0;
    for (const float logit : row) exponentials += std::exp(static_cast<double>(logit - largest));
    const double log_sum = std::log(exponentials) + static_cast<double>(largest);
    double mass = 0.0;  // of the target: 1, but for soft targets that don't add up
    for (std::size_t k = 0; k < count; ++k) {
      sum += static_cast<double>(target(k)) * (log_sum - static_cast<double>(row[k]));
      mass += static_cast<double>(target(k));
    }
    if (gradient.empty()) continue;
    for (std::size_t k = 0; k < count; ++k) {
      const double softmax = std::exp(static_cast<double>(row[k]) - log_sum);
      gradient[image * count + k] = static_cast<float>(mass * softmax - static_cast<double>(target(k))) * per_image;
    }
  }
  return sum / static_cast<double>(images);
}

std::int64_t count_in_top(std::span<const float> logits, std::int64_t classes, std::span<const std::int32_t> labels,
                          int k) {
  const auto count = static_cast<std::size_t>(classes);
  std::int64_t correct = 0;
  for (std::size_t image = 0; image < labels.size(); ++image) {
    const std::span<const float> row = logits.subspan(image * count, count);
    const auto label = static_cast<std::size_t>(labels[image]);
    if (std::isnan(row[label])) continue;
    int before = 0;
    for (std::size_t j = 0; j < count; ++j) {
      // A NaN elsewhere ranks first: a broken network must not look right.
      if (j != label && (!(row[j] <= row[label]) || (row[j] == row[label] && j < label))) ++before;
    }
    if (before < k) ++correct;
  }
  return correct;
}

}  // namespace convmixer
