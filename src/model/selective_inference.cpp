#include "convmixer/model/selective_inference.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/model/prediction.hpp"

#include <algorithm>
#include <utility>

namespace convmixer {
namespace {

const TestTimeViews& checked(const TestTimeViews& views) {
  if (!(views.below >= 0.0 && views.below <= 1.0))
    fail_usage("further views below the probability {}: expected a number from 0 to 1", views.below);
  return views;
}

}  // namespace

SelectiveInference::SelectiveInference(Network& network, const TestTimeViews& views, Results results)
    : network_(&network),
      views_(checked(views)),
      results_(std::move(results)),
      inference_(network, views.augmentation) {}

void SelectiveInference::add(std::span<const float> images) {
  const auto classes = static_cast<std::size_t>(network_->classes());
  if (!views_.are_of_some_images()) {
    const std::span<const float> logits = inference_.infer(images);
    all_alike_.assign(logits.size() / classes, views_.augmentation == TestTimeAugmentation::none ? 0 : 1);
    results_({logits, all_alike_});
    return;
  }
  const std::span<const float> logits = network_->infer(images);
  const std::size_t count = logits.size() / classes;
  const std::size_t size = images.size() / count;
  if (most_gathered_ == 0) most_gathered_ = count;
  waiting_.push_back({{logits.begin(), logits.end()}, std::vector<std::uint8_t>(count), 0});
  const std::int64_t number = first_waiting_ + std::ssize(waiting_) - 1;
  for (std::size_t i = 0; i < count; ++i) {
    // Of this batch as it was: looking again overwrites the network's logits.
    Batch& batch = waiting_.back();
    const std::span<const float> own = std::span(batch.logits).subspan(i * classes, classes);
    const Prediction prediction = predict(own);
    if (prediction.label < 0 || prediction.probability >= views_.below) continue;
    ++batch.in_doubt;
    batch.looked_again[i] = 1;
    gathered_.push_back({number, i});
    logits_.insert(logits_.end(), own.begin(), own.end());
    const std::span<const float> image = images.subspan(i * size, size);
    images_.insert(images_.end(), image.begin(), image.end());
    if (gathered_.size() == most_gathered_) look_again();
  }
  hand_over();
}

void SelectiveInference::finish() {
  look_again();
  hand_over();
}

void SelectiveInference::look_again() {
  if (gathered_.empty()) return;
  const auto classes = static_cast<std::size_t>(network_->classes());
  const std::span<const float> logits = inference_.infer(images_, logits_);
  for (std::size_t i = 0; i < gathered_.size(); ++i) {
    Batch& batch = waiting_[static_cast<std::size_t>(gathered_[i].batch - first_waiting_)];
    std::ranges::copy(logits.subspan(i * classes, classes),
                      batch.logits.begin() + static_cast<std::ptrdiff_t>(gathered_[i].image * classes));
    --batch.in_doubt;
  }
  gathered_.clear();
  images_.clear();
  logits_.clear();
}

void SelectiveInference::hand_over() {
  while (!waiting_.empty() && waiting_.front().in_doubt == 0) {
    const Batch batch = std::move(waiting_.front());
    waiting_.pop_front();
    ++first_waiting_;
    results_({batch.logits, batch.looked_again});
  }
}

}  // namespace convmixer
