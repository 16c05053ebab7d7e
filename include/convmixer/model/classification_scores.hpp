/// How well a classifier does on labelled images, class by class.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace convmixer {

/// Counts of one class, images being K-way classified: what was it, and what was said.
struct ClassScores {
  std::int64_t images = 0;     ///< of this class
  std::int64_t predicted = 0;  ///< images that were taken for it
  std::int64_t correct = 0;    ///< both

  /// Share of the images taken for it that are of it; 0 if none was.
  [[nodiscard]] double precision() const noexcept;
  /// Share of its images that were recognised; 0 if there are none.
  [[nodiscard]] double recall() const noexcept;
  /// Harmonic mean of the two, 2 correct / (images + predicted); 0 if there are neither.
  [[nodiscard]] double f1() const noexcept;
};

/// The confusion matrix of the images that were added, and what follows from it.
class ClassificationScores {
 public:
  /// Throws Error (usage) unless there is a class at least.
  explicit ClassificationScores(std::int64_t classes);

  /// Adds N images: (N, K) logits, row-major, and their labels, 0 to K - 1. Throws Error (usage) for other sizes and
  /// labels.
  void add(std::span<const float> logits, std::span<const std::int32_t> labels);

  [[nodiscard]] std::int64_t classes() const noexcept { return classes_; }
  [[nodiscard]] std::int64_t images() const noexcept { return images_; }
  /// Images of class `label` that were taken for class `predicted`, both 0 to K - 1.
  [[nodiscard]] std::int64_t confusion(std::int64_t label, std::int64_t predicted) const {
    return confusion_.at(static_cast<std::size_t>(label * classes_ + predicted));
  }
  [[nodiscard]] ClassScores of_class(std::int64_t label) const;

  /// Means over the classes, each counting the same, with 0 for what isn't defined: sklearn's "macro avg".
  struct Means {
    double precision = 0.0;
    double recall = 0.0;
    double f1 = 0.0;
  };
  [[nodiscard]] Means means() const;

  /// Mean probability of what was predicted.
  [[nodiscard]] double confidence() const noexcept;
  /// Expected calibration error, 0..1: images sorted by the probability of what was predicted into 15 equal bins; the
  /// sum over bins of (share of the images) * |accuracy - mean probability|. Guo et al., "On calibration of modern
  /// neural networks", 2017, equation 3.
  [[nodiscard]] double calibration_error() const noexcept;

 private:
  struct Bin {
    std::int64_t images = 0;
    std::int64_t correct = 0;
    double probability_sum = 0.0;
  };
  static constexpr std::size_t kBins = 15;

  std::int64_t classes_;
  std::int64_t images_ = 0;
  std::vector<std::int64_t> images_of_;  // by label
  std::vector<std::int64_t> confusion_;  // (label, predicted)
  std::array<Bin, kBins> bins_{};
};

}  // namespace convmixer
