/// metrics.jsonl: one JSON object a line, for each epoch and every so many steps, for the test set at a run's end, and
/// for each start of its training and each orderly stop. README.md describes every field; run_history.hpp reads it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace convmixer {

class AppendedFile;

/// What the records of this release mean. It becomes another when a field changes its meaning or goes, not when one is
/// added. Files that an earlier release wrote say no version.
inline constexpr int kMetricsSchema = 1;

/// One update. Loss and accuracy are those of its batch, the rate and the wait since the record before, be it a step's
/// or an epoch's. Where images are mixed (data/augment/mix.hpp) the loss is that of the mixed target, and an image
/// counts as recognised when the network names the class that has most of it.
struct StepRecord {
  std::int64_t epoch = 0;  ///< from 1
  std::int64_t step = 0;   ///< updates made in all, this one among them
  double loss = 0.0;
  double accuracy = 0.0;  ///< 0..1
  double learning_rate = 0.0;
  double gradient_norm = 0.0;  ///< of all gradients together, before clipping
  double images_per_second = 0.0;
  double wait_seconds = 0.0;   ///< for data
  double total_seconds = 0.0;  ///< of the run up to here, as EpochRecord's
  double seconds_left = -1.0;  ///< as EpochRecord's
  int image_size = 0;          ///< of its images; 0, which isn't written: the data set's throughout the run
};

/// What weights are worth on the images that epochs are evaluated on.
struct EvaluationRecord {
  double loss = 0.0;
  double accuracy = 0.0;       ///< 0..1
  double accuracy_top5 = 0.0;  ///< 0..1
};

/// One epoch. Loss and accuracy are means over its training images as they were trained on. In the file what begins
/// with "test" is of the images that epochs are evaluated on. Where those are held-out training images, the keys say
/// so: holdout_loss, ema_holdout_loss, best_holdout_accuracy, holdout_s and so on.
struct EpochRecord {
  std::int64_t epoch = 0;
  std::int64_t step = 0;
  bool holdout = false;  ///< evaluated on held-out images
  double loss = 0.0;
  double accuracy = 0.0;
  std::optional<EvaluationRecord> test{};      ///< of the weights as they are; nothing: the epoch wasn't evaluated
  std::optional<EvaluationRecord> averaged{};  ///< of their average (optim/weight_average.hpp), if there is one
  double best_test_accuracy = -1.0;            ///< of the averaged weights, if there are any; -1, not written: none yet
  double learning_rate = 0.0;                  ///< of its last step
  double images_per_second = 0.0;
  double wait_seconds = 0.0;
  double supply = 0.0;      ///< images/s that one thread doing nothing else would prepare
  double data_share = 0.0;  ///< of the threads' time in training, that went into preparing images
  /// Of train_seconds, that the training thread of rank 0 spent in exchanges with other ranks, waiting for them among
  /// it, and what it sent them. Neither is written if no byte was sent: there was one rank.
  double communication_seconds = 0.0;
  std::int64_t communication_bytes = 0;
  double train_seconds = 0.0;
  double test_seconds = 0.0;
  double total_seconds = 0.0;  ///< of the run up to here, over all its starts: steps, evaluations and saves
  /// That the run will go on by its own estimate; below 0 or infinite, not written: not at all, or not known yet.
  double seconds_left = -1.0;
  int image_size = 0;  ///< of its training images; 0, which isn't written: the data set's throughout the run
};

/// The test set, evaluated at the end of a run whose epochs go by held-out images.
struct TestRecord {
  std::int64_t epoch = 0;  ///< that the weights are of, the best
  double loss = 0.0;
  double accuracy = 0.0;
  double accuracy_top5 = 0.0;
  double seconds = 0.0;  ///< that it took; no part of the run's time
};

/// A start of the training, the first one or one that goes on, with what it runs on.
struct SessionRecord {
  std::int64_t epoch = 0;     ///< epochs finished before it
  std::int64_t step = 0;      ///< updates made before it
  double unix_seconds = 0.0;  ///< when it began, since 1970
  std::string version;        ///< of this library
  std::string cpu;
  std::string instruction_set;  ///< that kernels run with: "AVX-512"
  std::string onednn;           ///< version
  int threads = 0;              ///< of each rank
  int ranks = 1;                ///< processes that train together
  std::string precision;        ///< "f32" or "bf16"
  std::string plan;             ///< of training steps: "fused", "plain" or "onednn"
};

/// The end of a session: one that is missing was cut short, by a kill or a power cut.
struct EndRecord {
  std::int64_t epoch = 0;  ///< epochs finished
  std::int64_t step = 0;
  double unix_seconds = 0.0;
  double total_seconds = 0.0;  ///< of the run up to here, as EpochRecord's; earlier releases wrote none
  std::string end;             ///< why it ended: to_string(TrainEnd), or kEndedByError
  std::string error;           ///< the error's line; empty for an orderly end
};

/// EndRecord::end of a session that an error ended.
inline constexpr const char* kEndedByError = "error";

/// Appends records; each is one write, so that a process that is killed leaves at most one torn line, the last.
class MetricsFile {
 public:
  /// Opens the file at a position of its run: records of later steps and epochs, and lines that are no records, are
  /// taken out first (whole or not at all); so are those of the test set after `tested_epoch`, -1 for all. Throws Error
  /// naming the file.
  MetricsFile(const std::filesystem::path& path, std::int64_t finished_epochs, std::int64_t steps,
              std::int64_t tested_epoch = -1);
  ~MetricsFile();
  MetricsFile(const MetricsFile&) = delete;
  MetricsFile& operator=(const MetricsFile&) = delete;

  void append(const StepRecord& record);
  void append(const EpochRecord& record);
  void append(const TestRecord& record);
  void append(const SessionRecord& record);
  void append(const EndRecord& record);
  /// Returns when the records are on the disk.
  void sync();

  /// Whether an error ended the session before, as its last record says.
  [[nodiscard]] bool ended_by_error() const noexcept { return ended_by_error_; }

 private:
  void append_line(const std::string& line);

  bool ended_by_error_ = false;
  std::unique_ptr<AppendedFile> file_;
};

}  // namespace convmixer
