/// How many epochs a run has, after which of them it evaluates and how much, and more of them afterwards.
#pragma once

#include "convmixer/train/train_config.hpp"

#include <cstdint>

namespace convmixer {

/// How many epochs a run has: the schedule's and those after it.
[[nodiscard]] std::int64_t total_epochs(const TrainConfig& config);

/// After which epochs, counted from 1, a run evaluates what its epochs go by: every `interval`-th and the last.
struct EvaluatedEpochs {
  std::int64_t epochs = 0;    ///< that the run has
  std::int64_t interval = 1;  ///< 0: the last alone

  [[nodiscard]] bool contains(std::int64_t epoch) const noexcept;
  /// How many of them are left when so many epochs are finished.
  [[nodiscard]] std::int64_t left_after(std::int64_t epochs_done) const noexcept;
};
/// By eval-interval.
[[nodiscard]] EvaluatedEpochs evaluated_epochs(const TrainConfig& config);
/// Throws Error (usage) for an eval-interval with which patience or until-accuracy can't do what they say.
void check_evaluated_epochs(const TrainConfig& config);

/// Training images with which the statistics of averaged weights are computed anew after each epoch, of so many
/// training images: whole batches, no more than an epoch has; 0 where they aren't.
[[nodiscard]] std::int64_t statistics_images(const TrainConfig& config, std::int64_t train_images);

/// Images evaluated after each epoch, by weights and average, and those for its statistics.
[[nodiscard]] std::int64_t evaluated_images(const TrainConfig& config, std::int64_t train_images,
                                            std::int64_t test_images);

/// The rate with which the schedule ends, and with which epochs after it are trained.
[[nodiscard]] float final_learning_rate(const TrainConfig& config);
/// Whether a run can be extended: that rate isn't 0, nor a one-cycle's, which is next to nothing.
[[nodiscard]] bool can_be_extended(const TrainConfig& config);
/// Adds epochs to a run that has finished `epochs_done`, and so all that it was planned for: as if it had been planned
/// with them, but for an evaluation after what was its last epoch. Throws Error (usage) saying what to do instead for a
/// run that can't be extended, and for one that isn't finished.
void extend(TrainConfig& config, std::int64_t epochs_done, int more_epochs);

}  // namespace convmixer
