#include "convmixer/train/run_result.hpp"

#include "convmixer/checkpoint/checkpoint.hpp"
#include "convmixer/train/trainer.hpp"

namespace convmixer {

RunResult read_run_result(const RunFolder& folder, const TrainConfig& config) {
  const TrainingPosition position = read_training_position(folder.state());
  const auto end = reached_end(config, position);
  return {.ended = end && (!is_for_good(*end) || is_done(config, position)),
          .epochs = position.epoch,
          .best_epoch = position.best_epoch,
          .best_accuracy = position.best_accuracy,
          .last_accuracy = position.last_test_accuracy,
          .holdout = config.holdout.is_on(),
          .test_accuracy = config.holdout.is_on() && position.is_best_tested() ? position.test.accuracy : -1.0,
          .seconds = position.seconds};
}

}  // namespace convmixer
