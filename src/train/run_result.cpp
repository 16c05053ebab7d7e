#include "convmixer/train/run_result.hpp"

#include "convmixer/checkpoint/checkpoint.hpp"
#include "convmixer/core/file.hpp"
#include "convmixer/train/run_images.hpp"
#include "convmixer/train/train_end.hpp"
#include "train/record_line.hpp"

#include <fmt/format.h>

#include <sstream>
#include <string>
#include <system_error>

namespace convmixer {
namespace {

/// The first epoch of metrics.jsonl with such an accuracy. Lines that are no records are left out, as are fields of
/// another type.
std::optional<ReachedEpoch> find_epoch(const RunFolder& folder, const TrainConfig& config, double accuracy) {
  std::error_code ignored;
  if (!std::filesystem::exists(folder.metrics(), ignored)) return std::nullopt;
  const std::string best = fmt::format("best_{}_accuracy", epoch_images_name(config));
  std::istringstream lines(read_text_file(folder.metrics()));
  for (std::string line; std::getline(lines, line);) {
    const std::optional<RecordLine> record = parse_record(line);
    if (!record || record->type != "epoch" || !(record->number(best, -1.0) >= accuracy)) continue;
    return ReachedEpoch{record->whole("epoch"), record->number("total_s")};
  }
  return std::nullopt;
}

}  // namespace

RunResult read_run_result(const RunFolder& folder, const TrainConfig& config) {
  const TrainingPosition position = read_training_position(folder.state());
  const auto end = reached_end(config, position);
  return {.ended = end && (!is_for_good(*end) || is_done(config, position)),
          .epochs = position.epoch,
          .best_epoch = position.best_epoch,
          .best_accuracy = position.best_accuracy,
          .last_accuracy = position.last_test_accuracy,
          .test_accuracy = config.holdout.is_on() && position.is_best_tested() ? position.test.accuracy : -1.0,
          .seconds = position.seconds,
          .reached = config.until_accuracy > 0.0 ? find_epoch(folder, config, config.until_accuracy) : std::nullopt};
}

}  // namespace convmixer
