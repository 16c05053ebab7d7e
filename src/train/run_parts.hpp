/// The parts of one training, made in the order in which they need each other.
#pragma once

#include "convmixer/data/loader.hpp"
#include "convmixer/dist/communicator.hpp"
#include "convmixer/model/network.hpp"
#include "convmixer/optim/optimizer.hpp"
#include "convmixer/optim/schedule.hpp"
#include "convmixer/optim/weight_average.hpp"
#include "convmixer/train/config.hpp"
#include "convmixer/train/initial_weights.hpp"
#include "convmixer/train/metrics_file.hpp"
#include "convmixer/train/run_folder.hpp"
#include "convmixer/train/run_images.hpp"
#include "train/checkpointer.hpp"
#include "train/run_data.hpp"
#include "train/saved_run.hpp"
#include "train/tensorboard_log.hpp"

#include <memory>
#include <optional>

namespace convmixer {

/// How a run is opened.
struct OpenOptions {
  bool may_change_data = false;  ///< the data may be another than the run was saved with
  bool dry = false;              ///< look at everything, write nothing: a run that is opened so can't train
  bool fresh = false;            ///< dry: as if the folder were empty
  bool follow = false;           ///< train, but write nothing: another rank does (train/followed_run.hpp)

  [[nodiscard]] bool writes() const noexcept { return !dry && !follow; }
};

/// Each is made of those above it.
struct RunParts {
  /// Locks the folder before anything in it is read. Throws Error, also for test images that aren't of the training
  /// images' shape and classes.
  RunParts(const TrainConfig& config, const Dataset& train, const Dataset& test, Engine& engine,
           const OpenOptions& options);

  RunFolder folder;
  RunFolderLock lock;
  std::optional<SavedRun> saved;  ///< that the run goes on from; nothing for a new one
  RunData data;
  Network network;  ///< of initial weights
  InitialWeights initial;
  std::unique_ptr<Optimizer> optimizer;
  std::unique_ptr<WeightAverage> average;  ///< null: there is none
  Loader train_loader;
  Loader evaluation_loader;                   ///< of what epochs are evaluated on
  std::unique_ptr<Loader> statistics_loader;  ///< where statistics are computed anew for the average; else null
  Schedule schedule;
  Checkpointer checkpointer;
  std::optional<MetricsFile> metrics;         ///< opened at the run's position; of the rank that writes
  std::optional<TensorboardLog> tensorboard;  ///< opened when training begins, if it is asked for
};

/// A run that can train from `position` on.
struct OpenRun {
  std::unique_ptr<RunParts> parts;
  TrainingPosition position;
};

/// A position in epochs of so many steps. In data that has shrunk, an epoch may be through sooner than where the run
/// stood in it: then it is through. Throws Error (usage) for that in data that isn't known to have changed.
[[nodiscard]] TrainingPosition within_epoch(TrainingPosition position, std::int64_t steps_per_epoch, bool data_changed,
                                            const RunFolder& folder);

/// Throws Error (usage) for epochs that end before the run's next evaluation: it would have weights, but no accuracy.
void require_epoch_to_come(const TrainConfig& config, const TrainingPosition& position, const RunFolder& folder);

/// Makes the parts; restores the folder's state if there is one; plans all memory, so that a run that can't have it
/// says so before it has written anything; saves a first state if there was none; writes config.ini and data.json;
/// opens metrics.jsonl. Throws Error as Trainer's constructor.
[[nodiscard]] OpenRun open_run(const TrainConfig& config, const Dataset& train, const Dataset& test, Engine& engine,
                               const OpenOptions& options);

/// With the share that this rank has of each batch.
[[nodiscard]] LoaderOptions share_of(const Communicator& ranks, LoaderOptions options);

/// The plan of a training step on a full batch, or on its largest micro-batch.
[[nodiscard]] Plan& training_plan(Network& network, const TrainConfig& config, std::int64_t train_images);
/// Makes the plans for every size of batch and of images that a run has; their memory together.
PlannedMemory plan_all(Network& network, const TrainConfig& config, const RunImages& images, const Communicator& ranks);

}  // namespace convmixer
