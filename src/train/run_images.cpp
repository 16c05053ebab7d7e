#include "convmixer/train/run_images.hpp"

#include "convmixer/core/error.hpp"

namespace convmixer {

RunImages run_images(const TrainConfig& config, std::int64_t train_images, std::int64_t test_images) {
  const std::int64_t holdout = holdout_images(config.holdout, train_images);
  return {.train = train_images - holdout, .holdout = holdout, .test = test_images};
}

HoldoutSplit split_holdout(const TrainConfig& config, const Dataset& train) {
  if (!config.holdout.is_on()) fail_usage("no training images are set aside: expected a configuration with holdout");
  return split_holdout(train, config.holdout, config.holdout_seed.value_or(config.seed));
}

std::string_view epoch_images_name(const TrainConfig& config) { return config.holdout.is_on() ? "holdout" : "test"; }

}  // namespace convmixer
