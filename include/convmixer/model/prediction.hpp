/// What logits say: classes and their probabilities.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace convmixer {

/// A class and its probability under softmax.
struct Prediction {
  std::int32_t label = -1;   ///< -1: none, as a logit is not a number
  double probability = 0.0;  ///< 0..1
};

/// The most probable class of K logits, softmax in double; of equal ones the lowest. A logit that is not a number
/// leaves none: a broken network must not look right.
[[nodiscard]] Prediction predict(std::span<const float> logits);

/// The `k` most probable classes, or all if there are fewer, in falling order and of equal ones the lowest first: the
/// first is what predict() gives. Empty if a logit is not a number.
[[nodiscard]] std::vector<Prediction> predict_top(std::span<const float> logits, std::size_t k);

/// The probability of one class of K, 0 <= label < K, under softmax; NaN if a logit is not a number. Throws Error
/// (usage) for any other label.
[[nodiscard]] double probability_of(std::span<const float> logits, std::size_t label);

/// log(softmax(logits)) of K logits, in double; infinite logits of one sign share the probability. All are NaN if a
/// logit is. Throws Error (usage) for a span of another size.
void log_softmax(std::span<const float> logits, std::span<double> log_probabilities);

}  // namespace convmixer
