#include "train/checkpointer.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/train/initial_weights.hpp"

#include <utility>

namespace convmixer {
namespace {

/// Whether a weights file is that of a step; false as well for a file that is missing or damaged.
bool is_of_step(const std::filesystem::path& weights, std::int64_t step) {
  try {
    return read_checkpoint_info(weights).step == step;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

Checkpointer::Checkpointer(RunFolder folder, SavedRun::Settings settings, DataIdentity data,
                           SavedRun::Settings initial_weights, CheckpointInfo model, Parameters& parameters,
                           Optimizer& optimizer, WeightAverage* average, bool holdout, bool follows)
    : folder_(std::move(folder)),
      settings_(std::move(settings)),
      data_(std::move(data)),
      initial_weights_(std::move(initial_weights)),
      model_(std::move(model)),
      parameters_(parameters),
      optimizer_(optimizer),
      average_(average),
      holdout_(holdout),
      follows_(follows) {}

std::optional<TrainingPosition> Checkpointer::restore(const std::optional<SavedRun>& saved) {
  if (!saved) {
    check_no_foreign_run();
    return std::nullopt;
  }
  before_ = saved->circumstances();
  TrainingPosition position;
  try {
    position =
        load_training_state(folder_.state(), parameters_, optimizer_, saved->fingerprint_for(settings_), average_);
  } catch (const Error& error) {
    fail_with_ways_out(error);
  }
  saved_step_ = position.step;
  return position;
}

void Checkpointer::complete_epoch(const TrainingPosition& position) {
  // With an evaluation before any epoch (epochs = 0), that is one too.
  const bool at_end_of_epoch = position.step_in_epoch == 0 && (position.epoch > 0 || position.best_accuracy >= 0.0);
  const bool best_missing = position.best_epoch == position.epoch && !is_of_step(folder_.best(), position.step);
  if (at_end_of_epoch && (best_missing || !is_of_step(folder_.last(), position.step))) save_epoch(position);
}

void Checkpointer::check_no_foreign_run() const {
  for (const auto& file : {folder_.config(), folder_.metrics(), folder_.best(), folder_.last()}) {
    std::error_code ignored;  // RunFolderLock has been here
    if (std::filesystem::exists(file, ignored)) {
      fail_usage("{} holds {} but no {} to go on from; {}", folder_.path.string(), file.filename().string(),
                 folder_.state().filename().string(), kWaysOut);
    }
  }
}

void Checkpointer::save_state(const TrainingPosition& position) {
  if (!follows_) {
    save_training_state(folder_.state(), parameters_, optimizer_, position,
                        fingerprint_of(settings_, circumstances_, data_, initial_weights_), average_);
  }
  saved_step_ = position.step;
}

void Checkpointer::save_epoch(const TrainingPosition& position) {
  save_last(position, position.last_test_accuracy);
  if (position.best_epoch != position.epoch) return;
  CheckpointInfo best = info(position, position.best_accuracy);
  if (position.is_best_tested()) best.test_accuracy = position.test.accuracy;
  save(folder_.best(), best);
}

void Checkpointer::save_last(const TrainingPosition& position, double accuracy) {
  save(folder_.last(), info(position, accuracy));
}

void Checkpointer::save(const std::filesystem::path& file, const CheckpointInfo& info) {
  if (follows_) return;
  std::optional<AveragedWeights> averaged;
  if (average_ != nullptr) averaged.emplace(*average_);
  save_weights(file, parameters_, info);
}

CheckpointInfo Checkpointer::info(const TrainingPosition& position, double accuracy) const {
  CheckpointInfo result = model_;
  result.epoch = position.epoch;
  result.step = position.step;
  (holdout_ ? result.holdout_accuracy : result.test_accuracy) = accuracy;
  result.batches_tracked = batches_tracked(initial_weights_, parameters_.graph(), position.step);
  return result;
}

}  // namespace convmixer
