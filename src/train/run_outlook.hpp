/// How much a run has to do, how far it is, and how long the rest will take.
#pragma once

#include "convmixer/checkpoint/checkpoint.hpp"
#include "convmixer/train/progress.hpp"
#include "convmixer/train/time_estimate.hpp"

#include <cstdint>

namespace convmixer {

/// What a run has to do.
struct RunSize {
  std::int64_t epochs = 0;
  std::int64_t steps_per_epoch = 0;
  std::int64_t images_per_epoch = 0;  ///< trained on; a last batch that isn't full may be left out
  std::int64_t test_images = 0;       ///< evaluated after each epoch; twice as many where weights are averaged
  double max_seconds = 0.0;           ///< 0: no limit
};

/// Made of a run's size and of the time that its steps and evaluations took.
class RunOutlook {
 public:
  explicit RunOutlook(const RunSize& size) : size_(size) {}

  [[nodiscard]] const RunSize& size() const noexcept { return size_; }
  void trained(std::int64_t images, double seconds) noexcept { estimate_.trained(images, seconds); }
  void evaluated(std::int64_t images, double seconds) noexcept { estimate_.evaluated(images, seconds); }

  /// Whether a run that has trained so long is at its time limit.
  [[nodiscard]] bool is_at_limit(double seconds) const noexcept;
  /// Whether it is, once an evaluation is done that it still needs.
  [[nodiscard]] bool is_at_limit_with_evaluation(double seconds) const noexcept;

  /// Between two steps.
  [[nodiscard]] ProgressView training_view(const TrainingPosition& position) const;
  /// In the evaluation after an epoch's last step, or at the time limit.
  [[nodiscard]] ProgressView evaluation_view(const TrainingPosition& position, std::int64_t images_done) const;
  /// Between two epochs; -1 after the last.
  [[nodiscard]] double seconds_left(const TrainingPosition& position) const;

 private:
  [[nodiscard]] double seconds_left(const TrainingPosition& position, std::int64_t training_images,
                                    std::int64_t evaluation_images) const;

  RunSize size_;
  TimeEstimate estimate_;
};

}  // namespace convmixer
