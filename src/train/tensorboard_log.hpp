/// A training as TensorBoard shows it: event files in the run folder, so that `tensorboard --logdir runs` has each run
/// under its folder's name.
///
/// Every session of a run writes a file of its own. A run that goes on takes out of the earlier ones what is later than
/// where it goes on, and tells a TensorBoard that has read it already to forget it. What metrics.jsonl has stands under
/// these tags, OF being "test", or "holdout" where images are held out:
///   of steps     loss/train, accuracy/train, optimizer/{learning_rate,gradient_norm},
///                speed/{images_per_second,data_wait_seconds}, data/image_size where it changes
///   of epochs    epoch, loss/{train_epoch,OF,OF_ema}, accuracy/{train_epoch,OF,OF_ema,OF_top5,OF_ema_top5,OF_best},
///                optimizer/learning_rate_epoch,
///                speed/{images_per_second,data_wait_seconds,train_seconds,OF_seconds}_epoch, with several ranks
///                speed/communication_seconds_epoch;
///                histograms weights/NAME and gradients/NAME (those of the epoch's last step), images filters/NODE
///   of the end   epoch/tested, loss/final_test, accuracy/{final_test,final_test_top5}: the best weights, of runs that
///                hold images out
/// Before the first step there are weights and filters as well, and the image training_images. Settings are HPARAMS.
#pragma once

#include "convmixer/checkpoint/checkpoint.hpp"
#include "convmixer/core/thread_pool.hpp"
#include "convmixer/figures/png.hpp"
#include "convmixer/graph/parameters.hpp"
#include "convmixer/train/metrics_file.hpp"
#include "convmixer/train/run_folder.hpp"
#include "core/appended_file.hpp"
#include "io/event_messages.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>

namespace convmixer {

class TensorboardLog {
 public:
  /// Opens a session that begins at a position of its run, of these settings. Throws Error naming the file, as all that
  /// appends does; then the file is as it was.
  TensorboardLog(const RunFolder& folder, const TrainingPosition& position,
                 const std::map<std::string, Hyperparameter>& settings);

  /// Whether the run has nothing of earlier sessions.
  [[nodiscard]] bool is_first() const noexcept { return is_first_; }

  void append(const StepRecord& record);
  void append(const EpochRecord& record);
  /// The test set was evaluated after so many updates.
  void append(const TestRecord& record, std::int64_t step);
  /// Histograms of every parameter's values and, where `with_gradients`, of the gradients of those that are trained;
  /// the filters as images.
  void append_parameters(std::int64_t step, const Parameters& parameters, bool with_gradients, ThreadPool& pool);
  void append_image(const std::string& tag, std::int64_t step, const PngImage& image);
  /// The run has come to its end, or failed.
  void append_end(std::int64_t step, bool success);
  /// Returns when all of it is on the disk.
  void sync() { file_->sync(); }

 private:
  void append(std::int64_t step, std::span<const ProtobufMessage> values);

  bool is_first_;
  std::unique_ptr<AppendedFile> file_;
};

}  // namespace convmixer
