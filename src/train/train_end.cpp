#include "convmixer/train/train_end.hpp"

#include "convmixer/train/run_length.hpp"

#include <cstdint>

namespace convmixer {

std::string to_string(TrainEnd end) {
  switch (end) {
    case TrainEnd::finished:
      return "finished";
    case TrainEnd::patience:
      return "patience";
    case TrainEnd::accuracy:
      return "accuracy";
    case TrainEnd::time_limit:
      return "time_limit";
    case TrainEnd::signal:
      return "signal";
  }
  return {};
}

std::optional<TrainEnd> reached_end(const TrainConfig& config, const TrainingPosition& position) {
  const std::int64_t epochs = total_epochs(config);
  if (epochs == 0 && position.best_accuracy < 0.0) return std::nullopt;  // the initial weights are yet to be evaluated
  if (config.until_accuracy > 0.0 && position.best_accuracy >= config.until_accuracy) return TrainEnd::accuracy;
  if (position.epoch >= epochs) return TrainEnd::finished;
  const bool is_patient = config.patience == 0 || position.epochs_without_improvement < config.patience;
  if (!is_patient && position.is_evaluated()) return TrainEnd::patience;
  if (config.max_time > 0 && position.seconds >= static_cast<double>(config.max_time)) return TrainEnd::time_limit;
  return std::nullopt;
}

bool is_for_good(TrainEnd end) noexcept { return end != TrainEnd::time_limit && end != TrainEnd::signal; }

bool is_done(const TrainConfig& config, const TrainingPosition& position) {
  const auto end = reached_end(config, position);
  return end && is_for_good(*end) && (!config.holdout.is_on() || position.is_best_tested());
}

}  // namespace convmixer
