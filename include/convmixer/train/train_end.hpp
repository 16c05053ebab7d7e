/// Why and when a training has come to its end.
#pragma once

#include "convmixer/checkpoint/checkpoint.hpp"
#include "convmixer/train/train_config.hpp"

#include <optional>
#include <string>

namespace convmixer {

/// Why a training came to its end.
enum class TrainEnd {
  finished,    ///< all epochs
  patience,    ///< no better accuracy for so many epochs
  accuracy,    ///< config.until_accuracy was reached; goes on when started again with a higher one
  time_limit,  ///< goes on when started again with a higher limit
  signal,      ///< goes on when started again
};

/// "finished", "patience", "accuracy", "time_limit", "signal".
[[nodiscard]] std::string to_string(TrainEnd end);
/// The end that a training with these settings has reached where it stands, between two epochs, if any; a signal apart.
[[nodiscard]] std::optional<TrainEnd> reached_end(const TrainConfig& config, const TrainingPosition& position);
/// Whether a training that ends so has nothing left to train: all ends but for a time limit and a signal.
[[nodiscard]] bool is_for_good(TrainEnd end) noexcept;
/// Whether it has ended for good, with the test set evaluated where images are held out.
[[nodiscard]] bool is_done(const TrainConfig& config, const TrainingPosition& position);

}  // namespace convmixer
