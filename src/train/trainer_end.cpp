/// When a training ends, and what it does then.
#include "convmixer/core/printable.hpp"
#include "convmixer/train/trainer.hpp"
#include "train/best_weights.hpp"
#include "train/run_outlook.hpp"
#include "train/run_parts.hpp"

#include <utility>

namespace convmixer {

std::optional<TrainEnd> Trainer::end_between_epochs() const {
  if (const auto end = reached_end(config_, position_)) return end;
  if (controls_.stop_signal() != 0) return TrainEnd::signal;
  return std::nullopt;
}

std::optional<TrainEnd> Trainer::end_within_epoch() const {
  if (controls_.stop_signal() != 0) return TrainEnd::signal;
  // The limit leaves time for the evaluation that comes with it.
  if (outlook_->is_at_limit_with_evaluation(position_.seconds)) return TrainEnd::time_limit;
  return std::nullopt;
}

TrainEnd Trainer::save_untrained() {
  if (position_.best_accuracy >= 0.0) return TrainEnd::finished;
  const std::optional<EpochResults> results = evaluate_epoch();
  if (!results) return TrainEnd::signal;
  position_.best_accuracy = results->of_saved().accuracy();
  position_.last_test_accuracy = position_.best_accuracy;
  save_state();
  parts_->checkpointer.save_epoch(position_);
  return TrainEnd::finished;
}

/// Within an epoch, and after one that isn't evaluated, the limit still gives weights with a known accuracy. They are
/// neither the run's best nor in metrics.jsonl: a run that goes on is as if never stopped.
TrainEnd Trainer::end_by_time_limit() {
  const std::optional<EpochResults> results = evaluate_epoch();
  if (!results) return TrainEnd::signal;
  const BatchResult& saved = results->of_saved();
  save_state();
  parts_->checkpointer.save_last(position_, saved.accuracy());
  const std::string where = position_.step_in_epoch == 0
                                ? fmt::format("after epoch {}", position_.epoch)
                                : fmt::format("within epoch {}, after step {}/{}", position_.epoch + 1,
                                              position_.step_in_epoch, steps_per_epoch());
  progress_.print(fmt::format("{}: {}{} loss {:.4f} acc {:.2f}% top-5 {:.2f}%, in {}", where,
                              results->averaged ? "averaged weights, " : "", epoch_images_name(config_), saved.loss(),
                              100.0 * saved.accuracy(), 100.0 * saved.accuracy_top5(),
                              printable(folder().last().native())));
  return TrainEnd::time_limit;
}

/// Killed before the state is saved, it is done again and gives the same.
TrainEnd Trainer::evaluate_best(TrainEnd end) {
  if (images_.holdout == 0 || position_.is_best_tested()) return end;
  (void)lap();  // what saved the epoch was still training
  const double before = position_.seconds;
  TestRecord record{.epoch = position_.best_epoch};
  {
    BestWeights best(folder(), position_.best_epoch, parts_->network.parameters(), ranks_);
    Loader loader(parts_->data.test(), share_of(ranks_, loader_options(config_, Split::test)), pool_);
    const std::optional<BatchResult> test = evaluate_weights(
        loader, images_.test, [this](std::int64_t done) { return outlook_->final_view(position_, done); });
    record.seconds = std::exchange(position_.seconds, before) - before;
    if (!test) return TrainEnd::signal;
    record.loss = test->loss();
    record.accuracy = test->accuracy();
    record.accuracy_top5 = test->accuracy_top5();
    best.save_with_test_accuracy(record.accuracy);
  }
  position_.test = {record.epoch, record.loss, record.accuracy, record.accuracy_top5};
  if (parts_->metrics) parts_->metrics->append(record);
  if (parts_->tensorboard) parts_->tensorboard->append(record, position_.step);
  save_state();
  progress_.print(format_test_line(record));
  return end;
}

}  // namespace convmixer
