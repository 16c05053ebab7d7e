/// Which images a run trains on, which its epochs go by, and which are evaluated at its end.
#pragma once

#include "convmixer/data/holdout.hpp"
#include "convmixer/train/config.hpp"

#include <cstdint>
#include <string_view>

namespace convmixer {

/// How many images a run has for what.
struct RunImages {
  std::int64_t train = 0;    ///< trained on in an epoch
  std::int64_t holdout = 0;  ///< of the training images, set aside; 0: none are
  std::int64_t test = 0;

  /// Evaluated after each epoch: the held-out ones, or if there are none those of the test.
  [[nodiscard]] std::int64_t epoch_evaluation() const noexcept { return holdout > 0 ? holdout : test; }
  /// Evaluated once, after the last epoch.
  [[nodiscard]] std::int64_t final_evaluation() const noexcept { return holdout > 0 ? test : 0; }
};

/// Of so many training images, the held-out ones among them. Throws Error (usage) as holdout_images does.
[[nodiscard]] RunImages run_images(const TrainConfig& config, std::int64_t train_images, std::int64_t test_images);

/// A run's training images in those that it trains on and those that it sets aside. Throws Error (usage) as
/// split_holdout does, and for a configuration without holdout.
[[nodiscard]] HoldoutSplit split_holdout(const TrainConfig& config, const Dataset& train);

/// What epochs go by, for messages: "holdout" or "test", as in "best holdout accuracy".
[[nodiscard]] std::string_view epoch_images_name(const TrainConfig& config);

}  // namespace convmixer
