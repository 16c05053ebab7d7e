#include "convmixer/model/classification_scores.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/model/loss.hpp"
#include "convmixer/model/prediction.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace convmixer {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

double ratio(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

/// Of a probability p: bin i holds i/15 < p <= (i + 1)/15.
std::size_t bin_of(double probability) {
  const double above = std::ceil(probability * static_cast<double>(ClassificationScores::kBins)) - 1.0;
  return static_cast<std::size_t>(std::clamp(above, 0.0, static_cast<double>(ClassificationScores::kBins - 1)));
}

}  // namespace

double ClassScores::precision() const noexcept { return ratio(correct, predicted); }
double ClassScores::recall() const noexcept { return ratio(correct, images); }
double ClassScores::f1() const noexcept { return ratio(2 * correct, images + predicted); }

double CalibrationBin::accuracy() const noexcept { return ratio(correct, images); }
double CalibrationBin::confidence() const noexcept {
  return images == 0 ? 0.0 : probability_sum / static_cast<double>(images);
}

ClassificationScores::ClassificationScores(std::int64_t classes) {
  if (classes < 1) fail_usage("scores of {} classes: expected 1 or more", classes);
  by_class_.resize(static_cast<std::size_t>(classes));
}

void ClassificationScores::add(std::span<const float> logits, std::span<const std::int32_t> labels) {
  const std::size_t classes = by_class_.size();
  if (logits.size() != labels.size() * classes)
    fail_usage("{} logits: expected {} for {} images of {} classes", logits.size(), labels.size() * classes,
               labels.size(), classes);
  if (labels.empty()) return;
  check_targets({.labels = labels, .soft = {}}, static_cast<std::int64_t>(labels.size()), this->classes());
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const std::int32_t label = labels[i];
    const Prediction prediction = predict(logits.subspan(i * classes, classes));
    ClassScores& own = by_class_[static_cast<std::size_t>(label)];
    ++images_;
    ++own.images;
    ++confusion_[{label, prediction.label}];
    if (prediction.label < 0) {
      ++unpredicted_;
      continue;
    }
    const std::int64_t correct = prediction.label == label ? 1 : 0;
    ++by_class_[static_cast<std::size_t>(prediction.label)].predicted;
    own.correct += correct;
    correct_ += correct;
    CalibrationBin& bin = bins_[bin_of(prediction.probability)];
    ++bin.images;
    bin.correct += correct;
    bin.probability_sum += prediction.probability;
  }
}

std::int64_t ClassificationScores::confusion(std::int64_t label, std::int64_t predicted) const {
  const auto found = confusion_.find({label, predicted});
  return found == confusion_.end() ? 0 : found->second;
}

std::vector<std::int64_t> ClassificationScores::row(std::int64_t label) const {
  std::vector<std::int64_t> images(by_class_.size());
  const auto end = confusion_.lower_bound({label, classes()});
  for (auto at = confusion_.lower_bound({label, 0}); at != end; ++at)
    images[static_cast<std::size_t>(at->first.second)] = at->second;
  return images;
}

std::vector<Confusion> ClassificationScores::confusions() const {
  std::vector<Confusion> confusions;
  for (const auto& [classes, images] : confusion_) {
    const auto [label, predicted] = classes;
    if (predicted < 0 || predicted == label) continue;
    confusions.push_back({static_cast<std::int32_t>(label), static_cast<std::int32_t>(predicted), images});
  }
  std::ranges::stable_sort(confusions, std::ranges::greater(), &Confusion::images);
  return confusions;
}

const ClassScores& ClassificationScores::of_class(std::int64_t label) const {
  return by_class_.at(static_cast<std::size_t>(label));
}

ClassificationScores::Means ClassificationScores::means() const {
  Means means;
  for (const ClassScores& scores : by_class_) {
    if (!scores.occurs()) continue;
    ++means.classes;
    means.precision += scores.precision();
    means.recall += scores.recall();
    means.f1 += scores.f1();
  }
  const auto count = static_cast<double>(std::max<std::int64_t>(means.classes, 1));
  means.precision /= count;
  means.recall /= count;
  means.f1 /= count;
  return means;
}

double ClassificationScores::confidence() const noexcept {
  if (unpredicted_ > 0) return kNan;
  double sum = 0.0;
  for (const CalibrationBin& bin : bins_) sum += bin.probability_sum;
  return images_ == 0 ? 0.0 : sum / static_cast<double>(images_);
}

double ClassificationScores::calibration_error() const noexcept {
  if (unpredicted_ > 0) return kNan;
  double error = 0.0;
  for (const CalibrationBin& bin : bins_) error += std::abs(static_cast<double>(bin.correct) - bin.probability_sum);
  return images_ == 0 ? 0.0 : error / static_cast<double>(images_);
}

}  // namespace convmixer
