/// A training from its settings to its end, as `train` does one and `seeds` several.
#pragma once

#include "convmixer/core/threads.hpp"
#include "convmixer/data/dataset.hpp"
#include "convmixer/dist/launched_ranks.hpp"
#include "convmixer/plan/engine.hpp"
#include "convmixer/train/config.hpp"
#include "convmixer/train/precision_choice.hpp"
#include "convmixer/train/progress.hpp"
#include "convmixer/train/trainer.hpp"
#include "train_settings.hpp"
#include "watch/watch_process.hpp"

#include <functional>
#include <memory>
#include <string>

namespace convmixer::tool {

/// What trainings on the same data share: the images, the threads, and where they print.
class TrainingSession {
 public:
  /// Opens the data of `config` and starts its threads. With `ranks` the process is one of those; rank 0 alone prints,
  /// and waits so many seconds until all have opened theirs.
  TrainingSession(const TrainConfig& config, ProgressMode mode, LaunchedRanks* ranks = nullptr, int start_timeout = 0);

  /// Throws Error (usage) for settings that don't fit the data or one another.
  void require_trainable(TrainConfig config);

  /// Throws what would end a training that begins anew, before the run in its folder is moved aside for it. For a
  /// process that trains alone.
  void require_fresh_start(TrainConfig config);

  /// Trains, or goes on, or looks only (--dry-run), and prints all there is to say of it. `config` has the data and the
  /// threads of the session's. Returns the exit status of `train`.
  /// `page`, if there is one, is told of.
  int train(TrainConfig config, const TrainOptions& options, const WatchProcess* page = nullptr);

 private:
  /// What rank 0 has resolved, on all ranks.
  PrecisionChoice resolve_shared(TrainConfig& config);

  LaunchedRanks* ranks_;
  TrainControls controls_;
  Progress progress_;
  std::function<void(const std::string&)> note_;
  std::unique_ptr<Dataset> train_;
  std::unique_ptr<Dataset> test_;
  ThreadCount threads_;
  ThreadPool pool_;
  Engine engine_;
};

}  // namespace convmixer::tool
