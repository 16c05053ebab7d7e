/// What a training tells TensorBoard, beyond the records of metrics.jsonl.
#include "convmixer/core/error.hpp"
#include "convmixer/core/trace.hpp"
#include "convmixer/figures/contact_sheet.hpp"
#include "convmixer/train/run_length.hpp"
#include "convmixer/train/trainer.hpp"
#include "train/followed_run.hpp"
#include "train/hyperparameters.hpp"
#include "train/run_parts.hpp"

#include <algorithm>

namespace convmixer {
namespace {

/// The first images of the first epoch, as they are trained on.
PngImage draw_first_images(const TrainConfig& config, const Dataset& train, std::int64_t images_per_epoch,
                           ThreadPool& pool) {
  constexpr std::int64_t kMostColumns = 8;
  constexpr std::int64_t kMostRows = 4;
  LoaderOptions options = loader_options(config, Split::train);
  options.prefetch = 1;
  const std::int64_t columns = std::min(images_per_epoch, kMostColumns);
  const std::int64_t rows = std::min(images_per_epoch / columns, kMostRows);
  return draw_contact_sheet({.rows = static_cast<int>(rows), .columns = static_cast<int>(columns)},
                            "first images of epoch 1, as they are trained on", options, train, pool);
}

}  // namespace

void Trainer::open_tensorboard_log() {
  if (!config_.tensorboard || followed_) return;
  TensorboardLog& log = parts_->tensorboard.emplace(parts_->folder, position_, hyperparameters(config_));
  if (!log.is_first()) return;
  log.append_parameters(position_.step, parts_->network.parameters(), /*with_gradients=*/false, pool_);
  if (total_epochs(config_) == 0) return;
  const std::int64_t images = config_.drop_last ? steps_per_epoch() * config_.batch_size : images_.train;
  log.append_image("training_images", position_.step, draw_first_images(config_, parts_->data.train(), images, pool_));
}

void Trainer::log_parameters() {
  if (!parts_->tensorboard || position_.step_in_epoch != steps_per_epoch()) return;
  static const TraceName kLog("log parameters");
  const TraceScope scope(kLog, position_.step);
  parts_->tensorboard->append_parameters(position_.step, parts_->network.parameters(), /*with_gradients=*/true, pool_);
}

void Trainer::log_end(std::optional<TrainEnd> end) {
  if (!parts_->tensorboard || (end && !is_for_good(*end))) return;  // it goes on later
  try {
    parts_->tensorboard->append_end(position_.step, /*success=*/end.has_value());
    parts_->tensorboard->sync();
  } catch (const Error&) {
    if (end) throw;  // else it failed for another reason, which is told
  }
}

}  // namespace convmixer
