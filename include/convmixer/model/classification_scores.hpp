/// How well a classifier does on labelled images, class by class.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

namespace convmixer {

/// Counts of one class, images being K-way classified: what was it, and what was said.
struct ClassScores {
  std::int64_t images = 0;     ///< of this class
  std::int64_t predicted = 0;  ///< images that were taken for it
  std::int64_t correct = 0;    ///< both

  /// Share of the images taken for it that are of it; 0 if none was.
  [[nodiscard]] double precision() const noexcept;
  /// Share of its images that were recognised, its accuracy; 0 if there are none.
  [[nodiscard]] double recall() const noexcept;
  /// Harmonic mean of the two, 2 correct / (images + predicted); 0 if there are neither.
  [[nodiscard]] double f1() const noexcept;
  /// Whether there are images of it, or some that were taken for it.
  [[nodiscard]] bool occurs() const noexcept { return images > 0 || predicted > 0; }
};

/// How many images of one class were taken for another.
struct Confusion {
  std::int32_t label = 0;
  std::int32_t predicted = 0;
  std::int64_t images = 0;
};

/// Images whose predictions were about as probable.
struct CalibrationBin {
  std::int64_t images = 0;
  std::int64_t correct = 0;
  double probability_sum = 0.0;  ///< of what was predicted

  [[nodiscard]] double accuracy() const noexcept;    ///< 0 without images
  [[nodiscard]] double confidence() const noexcept;  ///< mean probability; 0 without images
};

/// The confusion matrix of the images that were added, and what follows from it. Its memory grows with the classes and
/// with what was taken for what, not with the matrix.
class ClassificationScores {
 public:
  static constexpr std::size_t kBins = 15;

  /// Throws Error (usage) unless there is a class at least.
  explicit ClassificationScores(std::int64_t classes);

  /// Adds N images: (N, K) logits, row-major, and their labels, 0 to K - 1. Throws Error (usage), with nothing added,
  /// for other sizes and labels.
  void add(std::span<const float> logits, std::span<const std::int32_t> labels);

  [[nodiscard]] std::int64_t classes() const noexcept { return static_cast<std::int64_t>(by_class_.size()); }
  [[nodiscard]] std::int64_t images() const noexcept { return images_; }
  /// Images that were recognised.
  [[nodiscard]] std::int64_t correct() const noexcept { return correct_; }
  /// Images without a prediction, a logit being not a number: not recognised, and taken for no class.
  [[nodiscard]] std::int64_t unpredicted() const noexcept { return unpredicted_; }

  /// Images of class `label` that were taken for class `predicted`, or got no prediction if that is -1.
  [[nodiscard]] std::int64_t confusion(std::int64_t label, std::int64_t predicted) const;
  /// A row of the matrix: images of class `label` by what they were taken for, K of them.
  [[nodiscard]] std::vector<std::int64_t> row(std::int64_t label) const;
  /// What was taken for something else, the most frequent first, of equal ones those of lower classes.
  [[nodiscard]] std::vector<Confusion> confusions() const;
  /// Throws std::out_of_range unless it is a class.
  [[nodiscard]] const ClassScores& of_class(std::int64_t label) const;

  /// Means over the classes that occur, each counting the same, with 0 for what isn't defined: the macro average of
  /// sklearn.metrics.precision_recall_fscore_support with zero_division=0.
  struct Means {
    std::int64_t classes = 0;  ///< that occur
    double precision = 0.0;
    double recall = 0.0;
    double f1 = 0.0;
  };
  [[nodiscard]] Means means() const;

  /// Mean probability of what was predicted. Like a loss, NaN if an image has no prediction.
  [[nodiscard]] double confidence() const noexcept;
  /// Expected calibration error, 0..1: images sorted by the probability of what was predicted into 15 equal bins; the
  /// sum over bins of (share of the images) * |accuracy - mean probability|. Guo et al., "On calibration of modern
  /// neural networks", 2017, equation 3. NaN if an image has no prediction.
  [[nodiscard]] double calibration_error() const noexcept;
  /// Bin i holds probabilities above i/15, up to and with (i + 1)/15.
  [[nodiscard]] std::span<const CalibrationBin> bins() const noexcept { return bins_; }

 private:
  std::int64_t images_ = 0;
  std::int64_t correct_ = 0;
  std::int64_t unpredicted_ = 0;
  std::vector<ClassScores> by_class_;
  std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t> confusion_;  // (label, predicted); none are left out
  std::array<CalibrationBin, kBins> bins_{};
};

}  // namespace convmixer
