#include "convmixer/model/worst_mistakes.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/model/prediction.hpp"

#include <algorithm>

namespace convmixer {

void WorstMistakes::add(std::span<const float> logits, std::span<const std::int32_t> labels) {
  if (labels.empty() && logits.empty()) return;
  const std::size_t classes = labels.empty() ? 0 : logits.size() / labels.size();
  const auto is_class = [&](std::int32_t label) { return label >= 0 && static_cast<std::size_t>(label) < classes; };
  if (classes == 0 || classes * labels.size() != logits.size() || !std::ranges::all_of(labels, is_class))
    fail_usage("{} logits of {} labelled images: expected as many of each, and labels of their classes", logits.size(),
               labels.size());
  const auto is_worse = [](const Mistake& a, const Mistake& b) { return a.probability > b.probability; };
  for (std::size_t i = 0; i < labels.size(); ++i, ++images_) {
    const auto row = logits.subspan(i * classes, classes);
    const Prediction prediction = predict(row);
    if (prediction.label < 0 || prediction.label == labels[i]) continue;
    const Mistake mistake{.index = images_,
                          .label = labels[i],
                          .predicted = prediction.label,
                          .probability = prediction.probability,
                          .label_probability = probability_of(row, static_cast<std::size_t>(labels[i]))};
    worst_.insert(std::ranges::upper_bound(worst_, mistake, is_worse), mistake);
    if (worst_.size() > most_) worst_.pop_back();
  }
}

}  // namespace convmixer
