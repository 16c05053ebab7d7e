#include "convmixer/train/run_length.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/optim/schedule.hpp"

#include <algorithm>

namespace convmixer {

std::int64_t total_epochs(const TrainConfig& config) {
  return std::int64_t{config.epochs} + std::int64_t{config.cooldown_epochs};
}

bool EvaluatedEpochs::contains(std::int64_t epoch) const noexcept {
  return epoch == epochs || (interval > 0 && epoch % interval == 0);
}

std::int64_t EvaluatedEpochs::left_after(std::int64_t epochs_done) const noexcept {
  if (epochs_done >= epochs) return 0;
  if (interval == 0) return 1;
  const bool last_is_beside_them = epochs % interval != 0;
  return epochs / interval - epochs_done / interval + (last_is_beside_them ? 1 : 0);
}

EvaluatedEpochs evaluated_epochs(const TrainConfig& config) {
  return {.epochs = total_epochs(config), .interval = config.eval_interval};
}

void check_evaluated_epochs(const TrainConfig& config) {
  const int interval = config.eval_interval;
  if (interval == 0 && config.patience > 0) fail_usage("patience has no effect with eval-interval = 0");
  if (interval == 0 && config.until_accuracy > 0.0) fail_usage("until-accuracy has no effect with eval-interval = 0");
  if (config.patience > 0 && config.patience < interval) {
    fail_usage("patience = {}: expected 0 or at least eval-interval, {}, as accuracies are that many epochs apart",
               config.patience, interval);
  }
}

std::int64_t statistics_images(const TrainConfig& config, std::int64_t train_images) {
  if (!config.average.is_on() || config.average.statistics != AverageStatistics::recomputed) return 0;
  const std::int64_t of_epoch = config.drop_last ? train_images - train_images % config.batch_size : train_images;
  const std::int64_t wanted = std::min(config.average_statistics_images, of_epoch);
  return std::min((wanted + config.batch_size - 1) / config.batch_size * config.batch_size, of_epoch);
}

std::int64_t evaluated_images(const TrainConfig& config, std::int64_t train_images, std::int64_t test_images) {
  if (!config.average.is_on()) return test_images;
  return 2 * test_images + statistics_images(config, train_images);
}

float final_learning_rate(const TrainConfig& config) {
  return final_learning_rate(
      Schedule{.kind = config.schedule, .peak = config.lr, .minimum = config.min_lr, .bends = config.bends});
}

bool can_be_extended(const TrainConfig& config) {
  // What one-cycle ends with is above 0, but next to nothing.
  return config.schedule != ScheduleKind::one_cycle && final_learning_rate(config) > 0.0F;
}

void extend(TrainConfig& config, std::int64_t epochs_done, int more_epochs) {
  if (!can_be_extended(config)) {
    fail_usage(
        "this run can't be extended: its schedule has brought the learning rate down to {}, and one stretched over "
        "more epochs would have been another from the start. Train anew with --epochs {} and another --out; or so that "
        "--extend is possible later: --schedule cosine --min-lr {:.2g}, or --schedule constant",
        final_learning_rate(config), total_epochs(config) + more_epochs, static_cast<double>(config.lr) / 100.0);
  }
  if (epochs_done < total_epochs(config)) {
    fail_usage("this run isn't finished: {} of {} epochs are done; let it go on without --extend first{}", epochs_done,
               total_epochs(config),
               config.patience > 0 ? "; if patience has ended it, with a higher --patience, or 0" : "");
  }
  config.cooldown_epochs = static_cast<int>(epochs_done - config.epochs) + more_epochs;
}

}  // namespace convmixer
