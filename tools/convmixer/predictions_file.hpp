/// What a network said of each image, as a table for other programs.
#pragma once

#include "convmixer/data/dataset.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace convmixer::tool {

/// A CSV file with a line for each image, in the order of the data set:
///   index              from 0
///   file               where it comes from, below the data set's folder; empty if that isn't known
///   label              its class, by name
///   prediction         the most probable class; empty if a logit is not a number, and then
///   probability        of the prediction is nan,
///   label_probability  of its class,
///   label_rank         place of its class among all, by falling probability, 1: recognised; empty without a prediction
/// and with `top` above 1 the next probable classes: prediction_2,probability_2,...
class PredictionsFile {
 public:
  /// Of `images`, which must outlive it.
  PredictionsFile(const Dataset& images, std::size_t top);

  /// The next images' logits, (N, K) row-major.
  void add(std::span<const float> logits, std::span<const std::int32_t> labels);
  /// Whole or not at all.
  void write(const std::filesystem::path& path) const;

 private:
  void add_line(std::span<const float> logits, std::size_t label);

  const Dataset* images_;
  std::size_t top_;
  std::vector<std::string> class_names_;  // as fields
  std::int64_t index_ = 0;
  std::string text_;
};

}  // namespace convmixer::tool
