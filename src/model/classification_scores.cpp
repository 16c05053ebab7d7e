#include "convmixer/model/classification_scores.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/model/loss.hpp"
#include "convmixer/model/prediction.hpp"

#include <algorithm>
#include <cmath>

namespace convmixer {
namespace {

double ratio(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

double ClassScores::precision() const noexcept { return ratio(correct, predicted); }
double ClassScores::recall() const noexcept { return ratio(correct, images); }
double ClassScores::f1() const noexcept { return ratio(2 * correct, images + predicted); }

ClassificationScores::ClassificationScores(std::int64_t classes) : classes_(classes) {
  if (classes < 1) fail_usage("scores of {} classes: expected 1 or more", classes);
  images_of_.resize(static_cast<std::size_t>(classes));
  confusion_.resize(static_cast<std::size_t>(classes * classes));
}

void ClassificationScores::add(std::span<const float> logits, std::span<const std::int32_t> labels) {
  const auto classes = static_cast<std::size_t>(classes_);
  if (logits.size() != labels.size() * classes)
    fail_usage("{} logits: expected {} for {} images of {} classes", logits.size(), labels.size() * classes,
               labels.size(), classes);
  check_targets({.labels = labels, .soft = {}}, static_cast<std::int64_t>(labels.size()), classes_);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto label = static_cast<std::size_t>(labels[i]);
    const Prediction prediction = predict(logits.subspan(i * classes, classes));
    ++images_;
    ++images_of_[label];
    if (prediction.label >= 0) ++confusion_[label * classes + static_cast<std::size_t>(prediction.label)];
    const auto bin = static_cast<std::size_t>(prediction.probability * static_cast<double>(kBins));
    Bin& fallen_into = bins_[std::min(bin, kBins - 1)];
    ++fallen_into.images;
    fallen_into.correct += prediction.label == labels[i] ? 1 : 0;
    fallen_into.probability_sum += prediction.probability;
  }
}

ClassScores ClassificationScores::of_class(std::int64_t label) const {
  ClassScores scores{.images = images_of_.at(static_cast<std::size_t>(label)), .correct = confusion(label, label)};
  for (std::int64_t other = 0; other < classes_; ++other) scores.predicted += confusion(other, label);
  return scores;
}

ClassificationScores::Means ClassificationScores::means() const {
  Means means;
  for (std::int64_t label = 0; label < classes_; ++label) {
    const ClassScores scores = of_class(label);
    means.precision += scores.precision() / static_cast<double>(classes_);
    means.recall += scores.recall() / static_cast<double>(classes_);
    means.f1 += scores.f1() / static_cast<double>(classes_);
  }
  return means;
}

double ClassificationScores::confidence() const noexcept {
  double sum = 0.0;
  for (const Bin& bin : bins_) sum += bin.probability_sum;
  return images_ == 0 ? 0.0 : sum / static_cast<double>(images_);
}

double ClassificationScores::calibration_error() const noexcept {
  double error = 0.0;
  for (const Bin& bin : bins_) error += std::abs(static_cast<double>(bin.correct) - bin.probability_sum);
  return images_ == 0 ? 0.0 : error / static_cast<double>(images_);
}

}  // namespace convmixer
