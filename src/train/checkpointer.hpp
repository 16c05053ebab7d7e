/// What a run writes to its folder, and in which order, so that it can be killed at any moment.
///
/// The state (last.state.safetensors) is what a run goes on from; it alone says where the run stands, and it is
/// replaced whole or not at all. Everything else in the folder follows from it:
///   - metrics.jsonl is appended to, and on the disk, before a state is saved. Killed in between, the file is ahead of
///     the state; opened again, the records beyond the state are taken out and will be written again, equal.
///   - last and best are written after the state of their epoch's end. Killed in between, they are behind the state;
///     but that state holds their very weights, and complete_epoch() writes them from it.
///   - Where images are held out, the test set is evaluated after the last epoch (trainer_end.cpp). What that gave
///     is in best and in metrics.jsonl before a state says so: killed in between, it is evaluated again, and gives the
///     same.
///   - A run's first state is saved before its first step, so that a folder without a state is none of a run's.
#pragma once

#include "convmixer/checkpoint/checkpoint.hpp"
#include "convmixer/data/data_identity.hpp"
#include "convmixer/train/run_folder.hpp"
#include "train/saved_run.hpp"

#include <cstdint>
#include <optional>

namespace convmixer {

class Checkpointer {
 public:
  /// `initial_weights` is InitialWeights' record; `model` gives the part of the weights files' metadata that doesn't
  /// change. With an average (not null) the state has it, too, and weights files hold it in place of the weights. With
  /// `holdout`, epochs are evaluated on held-out images: weights files say so of their accuracy. One that `follows`
  /// writes nothing: another rank does. All but the values are borrowed.
  Checkpointer(RunFolder folder, SavedRun::Settings settings, DataIdentity data, SavedRun::Settings initial_weights,
               CheckpointInfo model, Parameters& parameters, Optimizer& optimizer, WeightAverage* average, bool holdout,
               bool follows);

  /// Reads the folder's state, of which `saved` is a part, into parameters and optimiser. Throws Error (usage) when it
  /// belongs to another configuration, or the folder holds a run's files without a state.
  [[nodiscard]] std::optional<TrainingPosition> restore(const std::optional<SavedRun>& saved);
  /// Writes what a kill after the state of an epoch's end kept from being written. At the restored position.
  void complete_epoch(const TrainingPosition& position);

  /// Those of the restored run; nothing if there was none.
  [[nodiscard]] const std::optional<Circumstances>& before() const noexcept { return before_; }

  /// From now on, in every state that is saved.
  void set_circumstances(const Circumstances& circumstances) { circumstances_ = circumstances; }
  [[nodiscard]] const Circumstances& circumstances() const noexcept { return circumstances_; }

  void save_state(const TrainingPosition& position);
  /// At the end of an epoch, after its state.
  void save_epoch(const TrainingPosition& position);
  /// The weights as they are within an epoch.
  void save_last(const TrainingPosition& position, double accuracy);

  /// Step of the state on the disk.
  [[nodiscard]] std::int64_t saved_step() const noexcept { return saved_step_; }

 private:
  void check_no_foreign_run() const;
  void save(const std::filesystem::path& file, const CheckpointInfo& info);
  [[nodiscard]] CheckpointInfo info(const TrainingPosition& position, double accuracy) const;

  RunFolder folder_;
  SavedRun::Settings settings_;
  DataIdentity data_;
  SavedRun::Settings initial_weights_;
  Circumstances circumstances_;
  std::optional<Circumstances> before_;
  CheckpointInfo model_;
  Parameters& parameters_;
  Optimizer& optimizer_;
  WeightAverage* average_;
  bool holdout_;
  bool follows_;
  std::int64_t saved_step_ = 0;
};

}  // namespace convmixer
