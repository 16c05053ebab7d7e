/// The parts of one training, made in the order in which they need each other.
#pragma once

#include "convmixer/data/loader.hpp"
#include "convmixer/model/network.hpp"
#include "convmixer/optim/optimizer.hpp"
#include "convmixer/optim/schedule.hpp"
#include "convmixer/train/config.hpp"
#include "convmixer/train/metrics_file.hpp"
#include "convmixer/train/run_folder.hpp"
#include "train/checkpointer.hpp"

#include <memory>
#include <optional>

namespace convmixer {

/// Each is made of those above it.
struct RunParts {
  /// Locks the folder before anything in it is read. Throws Error, also for test images that aren't of the training
  /// images' shape and classes.
  RunParts(const TrainConfig& config, const Dataset& train, const Dataset& test, Engine& engine);

  RunFolder folder;
  RunFolderLock lock;
  Network network;  ///< of initial weights
  std::unique_ptr<Optimizer> optimizer;
  Loader train_loader;
  Loader test_loader;
  Schedule schedule;
  Checkpointer checkpointer;
  std::optional<MetricsFile> metrics;  ///< opened at the run's position
};

/// A run that can train from `position` on.
struct OpenRun {
  std::unique_ptr<RunParts> parts;
  TrainingPosition position;
};

/// Makes the parts; restores the folder's state if there is one; plans all memory, so that a run that can't have it
/// says so before it has written anything; saves a first state if there was none; writes config.ini; opens
/// metrics.jsonl. Throws Error as Trainer's constructor.
[[nodiscard]] OpenRun open_run(const TrainConfig& config, const Dataset& train, const Dataset& test, Engine& engine);

/// The plan of a training step on a full batch.
[[nodiscard]] Plan& training_plan(Network& network, const TrainConfig& config, std::int64_t train_images);
/// Makes the plans for every size of batch that a run has; their memory together.
PlannedMemory plan_all(Network& network, const TrainConfig& config, std::int64_t train_images,
                       std::int64_t test_images);

}  // namespace convmixer
