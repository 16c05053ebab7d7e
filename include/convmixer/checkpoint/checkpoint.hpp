/// Weights on disk, with timm's tensor names, and the state that lets a training go on.
#pragma once

#include "convmixer/graph/parameters.hpp"
#include "convmixer/model/model_config.hpp"
#include "convmixer/optim/optimizer.hpp"
#include "convmixer/optim/weight_average.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace convmixer {

/// What a weights file says about itself, in the safetensors metadata: enough to evaluate it, or to
/// use it on images of one's own, without its run folder.
struct CheckpointInfo {
  ModelConfig model;
  std::string dataset;      ///< data set it was trained on
  std::vector<float> mean;  ///< normalisation of its inputs
  std::vector<float> std;
  std::string fit;                       ///< how its images were made square, "crop" or "stretch"; empty: not known
  std::vector<std::string> class_names;  ///< by label, as many as the model has classes; empty: not known
  /// Which images it was trained and tested on, in the keys of data/data_identity.hpp; empty: not known.
  std::map<std::string, std::string> data;
  std::int64_t epoch = 0;          ///< epochs finished
  std::int64_t step = 0;           ///< updates made
  double test_accuracy = -1.0;     ///< 0..1 at that point; -1 if not evaluated
  double holdout_accuracy = -1.0;  ///< likewise, of the training images that were set aside; -1 if none were
  std::string averaged{};          ///< if its weights are averages: how, "ema 0.998"; empty: they aren't, or not known
  /// Of norms that have counted another number of batches than `step`: by the counter's name, with
  /// ".num_batches_tracked".
  std::map<std::string, std::int64_t> batches_tracked{};
};

/// Writes parameters and running statistics, F32, as timm's state dict (with each norm's num_batches_tracked, I64,
/// info.step unless info.batches_tracked has it), and `info` as metadata. Whole or not at all. Throws Error naming the
/// file; Error (usage), before anything is written, where the file couldn't be read again: for parameters and
/// statistics that aren't info.model's by their names and shapes, for mean and std that aren't a finite number for each
/// of its channels, std above 0 (or none at all), for another number of class names than its classes (or none), and for
/// a negative epoch or step; and as make_graph does for info.model. So it takes no network of another graph:
/// write_safetensors takes any tensors. Values aren't looked at: load_weights refuses those that aren't finite.
void save_weights(const std::filesystem::path& path, const Parameters& parameters, const CheckpointInfo& info);

/// Reads what a weights file says about itself. Its metadata says which model it holds and of what sizes, its tensors'
/// shapes must say the same (read_model of model/model_file.hpp). A file of another program, safetensors or
/// torch.save's, says it by its tensors alone (under names that model/weight_names.hpp lists), and leaves the rest at
/// the defaults. Throws Error naming the file, and as load_weights does for tensors that aren't the model's; their
/// values it doesn't look at.
[[nodiscard]] CheckpointInfo read_checkpoint_info(const std::filesystem::path& path);

/// Reads parameters and statistics. Every tensor of the graph must be there with its shape and finite values, variances
/// not below 0; num_batches_tracked may be, anything else is refused. Throws Error naming the file and all tensors that
/// are missing, unexpected, of another shape or not finite, with the parameters unchanged.
void load_weights(const std::filesystem::path& path, Parameters& parameters);

/// Sums over the steps of an epoch so far, saved so that the epoch's record is the same after a resume.
struct EpochSums {
  std::int64_t images = 0;
  double loss_sum = 0.0;  ///< of the images
  std::int64_t correct = 0;
  double seconds = 0.0;       ///< that the steps took, waiting included
  double wait_seconds = 0.0;  ///< for data
  /// Of `seconds`, that exchanges with other ranks took, and the bytes sent to them; 0 while there was one rank.
  double communication_seconds = 0.0;
  std::int64_t communication_bytes = 0;

  /// Means over the images; 0 before the first.
  [[nodiscard]] double loss() const noexcept { return images == 0 ? 0.0 : loss_sum / static_cast<double>(images); }
  [[nodiscard]] double accuracy() const noexcept {
    return images == 0 ? 0.0 : static_cast<double>(correct) / static_cast<double>(images);
  }
};

/// The evaluation of the test set with which a run ends whose epochs go by held-out images.
struct TestResult {
  std::int64_t epoch = 0;  ///< whose weights were evaluated
  double loss = 0.0;
  double accuracy = -1.0;  ///< -1: none was yet
  double accuracy_top5 = 0.0;
};

/// Where a training stands between two steps, beyond weights and optimiser state.
struct TrainingPosition {
  std::int64_t epoch = 0;          ///< epochs finished
  std::int64_t step_in_epoch = 0;  ///< updates made in the current epoch
  std::int64_t step = 0;           ///< updates made in all
  double best_accuracy = -1.0;
  std::int64_t best_epoch = 0;
  std::int64_t epochs_without_improvement = 0;
  double seconds = 0.0;              ///< trained so far, for time limits
  EpochSums sums;                    ///< of the current epoch
  double last_test_accuracy = -1.0;  ///< of the last epoch, as best_accuracy is; -1: it wasn't evaluated
  TestResult test{};                 ///< the last one

  /// Counts an epoch, with its accuracy if it was evaluated; true if it is the best so far. The sums remain until
  /// begin_epoch.
  bool finish_epoch(std::optional<double> accuracy) noexcept;
  /// Whether the last epoch was evaluated.
  [[nodiscard]] bool is_evaluated() const noexcept { return last_test_accuracy >= 0.0; }
  /// Whether the test set was evaluated with the weights that are the best.
  [[nodiscard]] bool is_best_tested() const noexcept { return test.accuracy >= 0.0 && test.epoch == best_epoch; }
  /// Nothing is summed up yet.
  void begin_epoch() noexcept;
};

/// Writes everything a training needs to go on bit for bit: weights, statistics, optimiser state and steps, averaged
/// weights if there are any (not null), position. One file, so that a kill at any moment leaves one consistent state.
/// `fingerprint` says what the run is (model, data, optimiser, schedule, precision, seed, batch size).
void save_training_state(const std::filesystem::path& path, const Parameters& parameters, Optimizer& optimizer,
                         const TrainingPosition& position, const std::map<std::string, std::string>& fingerprint,
                         WeightAverage* average = nullptr);

/// Where a saved training stands. Throws Error naming the file.
[[nodiscard]] TrainingPosition read_training_position(const std::filesystem::path& path);
/// What a state was saved with as its fingerprint. Throws Error naming the file.
[[nodiscard]] std::map<std::string, std::string> read_training_fingerprint(const std::filesystem::path& path);
/// Throws Error (usage) naming the state's file and the first key in which two fingerprints differ, with both values.
void compare_fingerprints(const std::filesystem::path& path, const std::map<std::string, std::string>& saved,
                          const std::map<std::string, std::string>& present);

/// Restores it; throws Error naming the file. When the fingerprints differ it is an Error (usage) naming the first key
/// that does with both values. Nothing is changed when it throws.
[[nodiscard]] TrainingPosition load_training_state(const std::filesystem::path& path, Parameters& parameters,
                                                   Optimizer& optimizer,
                                                   const std::map<std::string, std::string>& fingerprint,
                                                   WeightAverage* average = nullptr);

}  // namespace convmixer
