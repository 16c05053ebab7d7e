/// Trains a network into a run folder, or goes on where the folder's training was stopped.
#pragma once

#include "convmixer/checkpoint/checkpoint.hpp"
#include "convmixer/data/dataset.hpp"
#include "convmixer/data/loader.hpp"
#include "convmixer/dist/communicator.hpp"
#include "convmixer/model/network.hpp"
#include "convmixer/train/config.hpp"
#include "convmixer/train/evaluate.hpp"
#include "convmixer/train/metrics_file.hpp"
#include "convmixer/train/progress.hpp"
#include "convmixer/train/run_folder.hpp"
#include "convmixer/train/run_images.hpp"
#include "convmixer/train/step_profiler.hpp"
#include "convmixer/train/train_end.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace convmixer {

class Error;
class FollowedRun;
class RunOutlook;
struct RunParts;

/// What a training asks of the world around it; tests put their own in place. Functions that are empty are those of
/// default_controls().
struct TrainControls {
  std::function<int()> stop_signal;  ///< 0, or the number of the signal that asks the training to stop
  std::function<double()> clock;     ///< seconds from any moment on
  StepProfiler* profiler = nullptr;  ///< is told of every step
  bool may_change_data = false;      ///< go on, and say so, when the data isn't what the run was saved with
  bool dry_run = false;              ///< only look whether the run could train, and at what; run() is refused
  bool fresh = false;                ///< in a dry run: as if the folder were empty
};

/// The signals of StopSignal and a RunningClock: time in which the process is stopped doesn't count.
[[nodiscard]] TrainControls default_controls();

/// One training, which the engine's ranks share if there are several: each has a Trainer, all make the same calls, rank
/// 0 alone has the run folder and writes. A run that was stopped or killed at any moment and is started again with the
/// same configuration computes, bit for bit (in plain plans at the same number of threads), what it would have computed
/// without the stop: weights, optimiser state and all of metrics.jsonl except times and the records of its sessions.
class Trainer {
 public:
  /// `config` is resolved (config.hpp). Locks the run folder, restores its state if it holds one (else saves the
  /// first), writes config.ini and plans all memory. A run that goes on maps the labels of the data to its own by the
  /// names of the classes. Throws Error (usage) as require_storable does, and when the folder's run is another's, by
  /// its settings or its classes, or was saved with other images. `train`, `test`, `engine`, `progress` and
  /// `controls.profiler`, where there is one, must outlive the trainer.
  Trainer(const TrainConfig& config, const Dataset& train, const Dataset& test, Engine& engine, Progress& progress,
          TrainControls controls = default_controls());
  ~Trainer();
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  /// Trains to the end, which may have been reached before. A run with held-out images then evaluates the test set once
  /// with its best weights, unless it stops to go on later. Throws Error when loss or gradients are not finite; what is
  /// saved stays as it was.
  TrainEnd run();

  [[nodiscard]] const TrainingPosition& position() const noexcept { return position_; }
  [[nodiscard]] std::int64_t steps_per_epoch() const noexcept;
  /// Steps to the end of the last epoch; patience, a time limit or a signal may end the run before.
  [[nodiscard]] std::int64_t steps_left() const noexcept;
  [[nodiscard]] Network& network() noexcept;
  [[nodiscard]] const RunFolder& folder() const noexcept;
  /// What costs a run that goes on its last bits or more, if anything: "so far this run was trained with 4 threads, now
  /// with 2: as good, but not the same to the last bit".
  [[nodiscard]] std::string changed_circumstances();
  /// What a new run begins with, as InitialWeights describes it; empty for random weights, and for a run that goes on.
  [[nodiscard]] const std::string& initial_weights() const noexcept;
  /// The plan of a training step, or of its largest micro-batch.
  [[nodiscard]] const Plan& training_plan();
  /// Memory of all plans together.
  [[nodiscard]] PlannedMemory planned_memory();

 private:
  /// The end that the run has reached between two epochs, if any.
  [[nodiscard]] std::optional<TrainEnd> end_between_epochs() const;
  /// The reason to stop after a step, if any.
  [[nodiscard]] std::optional<TrainEnd> end_within_epoch() const;

  std::optional<TrainEnd> train_epoch();
  /// Waits for the next batch of the epoch and trains on it; false after the last one.
  bool train_next_batch();
  void train_step(const Batch& batch);
  /// Adds a step to the position; returns its seconds.
  double count_step(const BatchResult& result);

  /// What the weights are worth after an epoch.
  struct EpochResults {
    BatchResult raw;
    std::optional<BatchResult> averaged;  ///< nothing where they aren't averaged

    /// Of the weights that are saved.
    [[nodiscard]] const BatchResult& of_saved() const noexcept { return averaged ? *averaged : raw; }
  };

  std::optional<TrainEnd> finish_epoch();
  /// Of a run without epochs: evaluates its initial weights and saves them, unless that was done before.
  TrainEnd save_untrained();
  TrainEnd train_all_epochs();
  /// Trains to the end, and evaluates the test set there.
  TrainEnd train_and_test();
  using View = std::function<ProgressView(std::int64_t images_done)>;
  /// On the images that epochs go by. Nothing if a signal ended it.
  [[nodiscard]] std::optional<EpochResults> evaluate_epoch();
  /// The averaged weights' statistics, where they are computed anew. False: a signal came in between, and nothing is
  /// changed.
  [[nodiscard]] bool recompute_average_statistics(const View& view);
  /// What an evaluation is told of: it shows how far it is, adds its time to the position, and says whether to go on.
  [[nodiscard]] std::function<bool(std::int64_t)> evaluation_progress(View view);
  /// The network's weights as they are, on so many images. Nothing if a signal ended it.
  [[nodiscard]] std::optional<BatchResult> evaluate_weights(Loader& loader, std::int64_t images, const View& view);
  /// The test set with the best weights. How the run ends then: a signal may end it.
  TrainEnd evaluate_best(TrainEnd end);
  /// How it ends then: a signal may end the evaluation.
  TrainEnd end_by_time_limit();

  void record_step(const BatchResult& result, double learning_rate, double gradient_norm);
  /// Of an epoch that was evaluated, or wasn't.
  [[nodiscard]] EpochRecord epoch_record(const std::optional<EpochResults>& test, double test_seconds) const;
  /// Of an epoch, counted from 0, for records; 0 where all have the data set's.
  [[nodiscard]] int told_image_size(std::int64_t epoch) const;
  void save_state();
  /// To metrics.jsonl, on the rank that writes it.
  template <class Record>
  void append_metrics(const Record& record);
  /// In metrics.jsonl, if that can be written.
  void record_failure(const Error& failure);
  /// Of a run that is to have one (trainer_tensorboard.cpp).
  void open_tensorboard_log();
  /// Weights and their gradients after an epoch's last step, before anything is saved.
  void log_parameters();
  /// Of a session that ended so; nothing: it failed.
  void log_end(std::optional<TrainEnd> end);
  /// `update` is the number, from 0, of the update in which the value was met.
  [[noreturn]] void fail_not_finite(const char* what, double value, std::int64_t update) const;
  void check_weights_are_finite() const;

  /// Where the schedule is at an update.
  [[nodiscard]] std::int64_t scheduled(std::int64_t update) const noexcept { return update + schedule_shift_; }

  /// Seconds since the last call, which are counted as the run's.
  double lap();

  TrainConfig config_;
  RunImages images_;
  ThreadPool& pool_;
  Communicator& ranks_;
  Progress& progress_;
  TrainControls controls_;
  std::unique_ptr<FollowedRun> followed_;  // on ranks other than 0
  std::unique_ptr<RunParts> parts_;
  TrainingPosition position_;
  /// 0 unless the data has changed: the schedule goes by epochs, which had other numbers of steps before.
  std::int64_t schedule_shift_ = 0;
  std::unique_ptr<RunOutlook> outlook_;

  double lap_start_ = 0.0;
  double last_save_ = 0.0;
  double waited_ = 0.0;            // for data, by the loader's count, up to the step before
  CommunicationTotals exchanged_;  // with other ranks, likewise
  struct {
    std::int64_t images = 0;
    double seconds = 0.0;
    double wait_seconds = 0.0;
  } since_record_;
};

}  // namespace convmixer
