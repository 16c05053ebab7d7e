/// How much a run has to do, how far it is, and how long the rest will take.
#pragma once

#include "convmixer/checkpoint/checkpoint.hpp"
#include "convmixer/data/image_sizes.hpp"
#include "convmixer/model/network.hpp"
#include "convmixer/train/progress.hpp"
#include "convmixer/train/time_estimate.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace convmixer {

/// From an epoch on, images are trained on at this size, at a share of the cost of one of the data set's size.
struct ImageCost {
  std::int64_t first_epoch = 0;
  int image_size = 0;
  double cost = 1.0;
};

/// The costs of stretches, by the multiply-adds of a training step; none without stretches.
[[nodiscard]] std::vector<ImageCost> image_costs(const Network& network, std::span<const ImageSizeStretch> stretches);

/// What a run has to do.
struct RunSize {
  std::int64_t epochs = 0;
  std::int64_t steps_per_epoch = 0;
  std::int64_t images_per_epoch = 0;   ///< trained on; a last batch that isn't full may be left out
  std::int64_t test_images = 0;        ///< in an evaluation after an epoch: evaluated_images (run_length.hpp)
  std::int64_t statistics_images = 0;  ///< after an epoch that isn't evaluated: statistics_images (the same header)
  std::int64_t final_images = 0;       ///< evaluated once more, after the last epoch
  bool holdout = false;                ///< epochs are evaluated on held-out images
  bool averaged = false;               ///< what counts of an epoch are its averaged weights
  std::int64_t eval_interval = 1;      ///< of EvaluatedEpochs (run_length.hpp)
  double max_seconds = 0.0;            ///< 0: no limit
  std::vector<ImageCost> costs{};      ///< empty: all images have the data set's size
};

/// Made of a run's size and of the time that its steps and evaluations took. Steps on images of different sizes are
/// compared by their costs.
class RunOutlook {
 public:
  explicit RunOutlook(RunSize size)
      : size_(std::move(size)),
        curves_((size_.averaged ? std::string("averaged ") : std::string()) + (size_.holdout ? "holdout" : "test") +
                " acc") {}

  [[nodiscard]] const RunSize& size() const noexcept { return size_; }
  /// In an epoch, counted from 0.
  void trained(std::int64_t epoch, std::int64_t images, double seconds) noexcept;
  void evaluated(std::int64_t images, double seconds) noexcept;

  /// Loss and accuracy so far: the views show them.
  [[nodiscard]] RunCurves& curves() noexcept { return curves_; }

  /// Whether a run that has trained so long is at its time limit.
  [[nodiscard]] bool is_at_limit(double seconds) const noexcept;
  /// Whether it is, once an evaluation is done that it still needs.
  [[nodiscard]] bool is_at_limit_with_evaluation(double seconds) const noexcept;

  /// Between two steps.
  [[nodiscard]] ProgressView training_view(const TrainingPosition& position) const;
  /// In the evaluation after an epoch's last step, or at the time limit.
  [[nodiscard]] ProgressView evaluation_view(const TrainingPosition& position, std::int64_t images_done) const;
  /// Where the averaged weights' statistics are computed anew after an epoch that isn't evaluated.
  [[nodiscard]] ProgressView statistics_view(const TrainingPosition& position, std::int64_t images_done) const;
  /// In the evaluation at the end of the run.
  [[nodiscard]] ProgressView final_view(const TrainingPosition& position, std::int64_t images_done) const;
  /// Between two epochs; -1 after the last.
  [[nodiscard]] double seconds_left(const TrainingPosition& position) const;

 private:
  [[nodiscard]] ImageCost cost_in(std::int64_t epoch) const noexcept;
  /// The images of all epochs from one on, each counted by its cost.
  [[nodiscard]] double training_from(std::int64_t epoch) const noexcept;
  /// The images of all evaluations that are left when so many epochs are finished, and of statistics in between.
  [[nodiscard]] std::int64_t evaluation_after(std::int64_t epochs_done) const noexcept;
  /// After an epoch's last step, when `images_done` of `images` have gone through the network that do before the next.
  [[nodiscard]] ProgressView view_after_epoch(const TrainingPosition& position, std::int64_t images_done,
                                              std::int64_t images) const;
  /// Of training images by their cost, and evaluated ones.
  [[nodiscard]] double seconds_left(const TrainingPosition& position, double training_images,
                                    std::int64_t evaluation_images) const;

  RunSize size_;
  RunCurves curves_;
  TimeEstimate estimate_;
};

}  // namespace convmixer
