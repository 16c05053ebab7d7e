#include "convmixer/model/prediction.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/plural.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace convmixer {
namespace {

bool has_nan(std::span<const float> logits) {
  return std::ranges::any_of(logits, [](float logit) { return std::isnan(logit); });
}

/// Less the largest: what softmax takes the exponential of.
double below(float logit, float largest) {
  // Equal infinities have no difference.
  return logit == largest ? 0.0 : static_cast<double>(logit) - static_cast<double>(largest);
}

double sum_of_exponentials(std::span<const float> logits, float largest) {
  double sum = 0.0;
  for (const float logit : logits) sum += std::exp(below(logit, largest));
  return sum;
}

}  // namespace

Prediction predict(std::span<const float> logits) {
  if (logits.empty() || has_nan(logits)) return {};
  const auto largest = std::ranges::max_element(logits);  // the first of equal ones
  return {.label = static_cast<std::int32_t>(largest - logits.begin()),
          .probability = 1.0 / sum_of_exponentials(logits, *largest)};
}

std::vector<Prediction> predict_top(std::span<const float> logits, std::size_t k) {
  if (logits.empty() || has_nan(logits)) return {};
  std::vector<std::int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const auto logit = [&](std::int32_t label) { return logits[static_cast<std::size_t>(label)]; };
  const auto end = order.begin() + static_cast<std::ptrdiff_t>(std::min(k, order.size()));
  std::ranges::partial_sort(order, end, [&](std::int32_t one, std::int32_t other) {
    return logit(one) != logit(other) ? logit(one) > logit(other) : one < other;
  });
  const float largest = *std::ranges::max_element(logits);
  const double sum = sum_of_exponentials(logits, largest);
  std::vector<Prediction> top;
  for (auto label = order.begin(); label != end; ++label)
    top.push_back({.label = *label, .probability = std::exp(below(logit(*label), largest)) / sum});
  return top;
}

double probability_of(std::span<const float> logits, std::size_t label) {
  if (label >= logits.size())
    fail_usage("probability of class {}: {} given, expected the class to be below that", label,
               counted(logits.size(), "logit"));
  if (has_nan(logits)) return std::numeric_limits<double>::quiet_NaN();
  const float largest = *std::ranges::max_element(logits);
  return std::exp(below(logits[label], largest)) / sum_of_exponentials(logits, largest);
}

void log_softmax(std::span<const float> logits, std::span<double> log_probabilities) {
  if (log_probabilities.size() != logits.size())
    fail_usage("log-probabilities: {} given, expected {}", counted(log_probabilities.size(), "number"), logits.size());
  if (logits.empty()) return;
  if (has_nan(logits)) {
    std::ranges::fill(log_probabilities, std::numeric_limits<double>::quiet_NaN());
    return;
  }
  const float largest = *std::ranges::max_element(logits);
  const double log_sum = std::log(sum_of_exponentials(logits, largest));
  for (std::size_t i = 0; i < logits.size(); ++i) log_probabilities[i] = below(logits[i], largest) - log_sum;
}

}  // namespace convmixer
