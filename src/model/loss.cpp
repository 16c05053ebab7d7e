#include "convmixer/model/loss.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/plural.hpp"
#include "core/batch_chunks.hpp"
#include "core/summation_tree.hpp"
#include "model/share_loss.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

namespace convmixer {

namespace {

void check_labels(std::span<const std::int32_t> labels, std::int64_t images, std::int64_t classes) {
  if (static_cast<std::int64_t>(labels.size()) != images) {
    fail_usage("labels: {} given for {}", labels.size(), counted(images, "image"));
  }
  const auto wrong = std::ranges::find_if(labels, [classes](auto label) { return label < 0 || label >= classes; });
  if (wrong != labels.end()) {
    fail_usage("labels[{}] = {}: expected a class from 0 to {}", wrong - labels.begin(), *wrong, classes - 1);
  }
}

void check_soft_targets(std::span<const float> soft, std::int64_t images, std::int64_t classes) {
  if (static_cast<std::int64_t>(soft.size()) != images * classes) {
    fail_usage("soft targets: {} given, expected {} x {}, images by classes", counted(soft.size(), "number"), images,
               classes);
  }
  const auto wrong = std::ranges::find_if(soft, [](float target) { return !std::isfinite(target); });
  if (wrong != soft.end()) {
    const std::int64_t index = wrong - soft.begin();
    fail_usage("soft target of image {}, class {} = {}: expected a finite number", index / classes, index % classes,
               *wrong);
  }
}

/// The number of images that (N, K) logits are of.
std::int64_t count_images(std::span<const float> logits, std::int64_t classes) {
  if (classes < 1) fail_usage("classes = {}: expected at least 1", classes);
  const auto count = static_cast<std::int64_t>(logits.size());
  if (count == 0 || count % classes != 0) {
    fail_usage("logits: {} given, expected N x {}, images by classes, N at least 1", counted(count, "number"), classes);
  }
  return count / classes;
}

}  // namespace

void check_targets(const Targets& targets, std::int64_t images, std::int64_t classes) {
  if (targets.labels.empty() && targets.soft.empty()) {
    fail_usage("targets: neither labels nor soft targets given, expected either or both for {}",
               counted(images, "image"));
  }
  if (!targets.labels.empty()) check_labels(targets.labels, images, classes);
  if (!targets.soft.empty()) check_soft_targets(targets.soft, images, classes);
  if (!(targets.label_smoothing >= 0.0F && targets.label_smoothing <= 1.0F)) {
    fail_usage("label smoothing = {}: expected a number from 0 to 1", targets.label_smoothing);
  }
}

double softmax_cross_entropy(std::span<const float> logits, std::int64_t classes, const Targets& targets,
                             std::span<float> gradient) {
  const std::int64_t images = count_images(logits, classes);
  return cross_entropy_sum(logits, classes, targets, BatchChunks(static_cast<std::size_t>(images)), gradient) /
         static_cast<double>(images);
}

double cross_entropy_sum(std::span<const float> logits, std::int64_t classes, const Targets& targets,
                         const BatchChunks& share, std::span<float> gradient) {
  const std::int64_t images = count_images(logits, classes);
  if (static_cast<std::size_t>(images) != share.images()) {
    fail_usage("logits: of {}, expected {}, the share's of a batch of {}", counted(images, "image"), share.images(),
               share.images_of_all_ranks());
  }
  check_targets(targets, images, classes);
  if (!gradient.empty() && gradient.size() != logits.size()) {
    fail_usage("gradient of the logits: {} given, expected {} or none", counted(gradient.size(), "number"),
               logits.size());
  }
  const auto count = static_cast<std::size_t>(classes);
  const float even = targets.label_smoothing / static_cast<float>(classes);
  const float kept = 1.0F - targets.label_smoothing;
  const float per_image = 1.0F / static_cast<float>(share.images_of_all_ranks());

  const auto add_image = [&](std::size_t image, double& sum) {
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
    if (gradient.empty()) return;
    for (std::size_t k = 0; k < count; ++k) {
      const double softmax = std::exp(static_cast<double>(row[k]) - log_sum);
      gradient[image * count + k] = static_cast<float>(mass * softmax - static_cast<double>(target(k))) * per_image;
    }
  };
  std::array<double, kMostPartialSums> sums{};
  const auto sum_of_chunk = [&](std::size_t chunk, std::size_t slot) {
    sums[slot] = 0.0;
    for (std::size_t image = share.begin(chunk); image < share.end(chunk); ++image) add_image(image, sums[slot]);
  };
  add_up_tree(share.count(), sum_of_chunk, [&](std::size_t slot) { sums[slot] += sums[slot + 1]; });
  return sums[0];
}

std::int64_t count_in_top(std::span<const float> logits, std::int64_t classes, std::span<const std::int32_t> labels,
                          int k) {
  if (k < 1) fail_usage("k = {} of the largest logits: expected at least 1", k);
  if (labels.empty()) return 0;
  check_labels(labels, count_images(logits, classes), classes);
  const auto count = static_cast<std::size_t>(classes);
  std::int64_t correct = 0;
  for (std::size_t image = 0; image < labels.size(); ++image) {
    const std::span<const float> row = logits.subspan(image * count, count);
    const auto label = static_cast<std::size_t>(labels[image]);
    if (std::ranges::any_of(row, [](float logit) { return std::isnan(logit); })) continue;
    int before = 0;
    for (std::size_t j = 0; j < count; ++j) {
      if (row[j] > row[label] || (row[j] == row[label] && j < label)) ++before;
    }
    if (before < k) ++correct;
  }
  return correct;
}

}  // namespace convmixer
