#include "convmixer/train/trainer.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/file.hpp"
#include "convmixer/core/trace.hpp"
#include "convmixer/train/stop_signal.hpp"
#include "train/checkpointer.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

namespace convmixer {
namespace {

CheckpointInfo weights_info(const TrainConfig& config, const Dataset& dataset) {
  CheckpointInfo info;
  info.model = model_config(config, dataset.channels(), dataset.classes());
  info.dataset = config.dataset;
  info.mean = config.mean;
  info.std = config.std;
  return info;
}

/// The batch sizes of one pass over `images`.
std::vector<std::int64_t> batch_sizes(std::int64_t images, std::int64_t batch, bool drop_last) {
  std::vector<std::int64_t> sizes;
  if (images >= batch) sizes.push_back(batch);
  if (images % batch != 0 && !drop_last) sizes.push_back(images % batch);
  return sizes;
}

/// The double that is written as the float is: 0.01, not 0.009999999776482582.
double as_written(float value) {
  const std::string text = fmt::format("{}", value);
  double number = 0.0;
  std::from_chars(text.data(), text.data() + text.size(), number);  // whatever the locale
  return number;
}

}  // namespace

TrainControls default_controls() {
  return {StopSignal::received,
          [] { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }};
}

Trainer::Trainer(const TrainConfig& config, const Dataset& train, const Dataset& test, Engine& engine,
                 Progress& progress, TrainControls controls)
    : config_(config),
      test_(test),
      train_size_(train.size()),
      threads_(engine.pool().threads()),
      progress_(progress),
      controls_(std::move(controls)),
      folder_{config.out},
      lock_(folder_),
      network_(make_graph(model_config(config, train.channels(), train.classes())), choose_precision(config.precision),
               engine, config.layout, config.plan),
      optimizer_(make_optimizer(network_.parameters(), config.optimizer, engine.pool())),
      train_loader_(train, loader_options(config, Split::train), engine.pool()),
      test_loader_(test, loader_options(config, Split::test), engine.pool()),
      steps_per_epoch_(train_loader_.batches_per_epoch()),
      schedule_(make_schedule(config, steps_per_epoch_)) {
  network_.parameters().initialise(config_.seed);
  checkpointer_ = std::make_unique<Checkpointer>(folder_, fingerprint(config_), weights_info(config_, train),
                                                 network_.parameters(), *optimizer_);
  remove_unfinished_files(folder_);
  if (const auto restored = checkpointer_->restore()) position_ = *restored;
  // All memory is had before the first step, so that a run that can't have it says so at once.
  (void)planned_memory();
  checkpointer_->set_circumstances({threads_, to_string(training_plan().kind())});
  if (!folder_.holds_state()) checkpointer_->save_state(position_);
  write_file_atomically(folder_.config(), to_ini(config_));
  metrics_ = std::make_unique<MetricsFile>(folder_.metrics(), position_.epoch, position_.step);
}

Trainer::~Trainer() = default;

TrainEnd Trainer::run() {
  name_traced_thread(kTrainingThread, 0);
  lap_start_ = controls_.clock();
  last_save_ = lap_start_;
  const std::int64_t first_step = position_.step;
  std::optional<TrainEnd> end = end_between_epochs();
  while (!end) {
    end = train_epoch();
    if (!end) end = finish_epoch();
    if (!end) end = end_between_epochs();
  }
  if (end == TrainEnd::time_limit && position_.step_in_epoch > 0 && position_.step > first_step) end_by_time_limit();
  return *end;
}

std::optional<TrainEnd> Trainer::end_between_epochs() const {
  if (position_.epoch >= config_.epochs) return TrainEnd::finished;
  if (config_.patience > 0 && position_.epochs_without_improvement >= config_.patience) return TrainEnd::patience;
  if (config_.max_time > 0 && position_.seconds >= static_cast<double>(config_.max_time)) return TrainEnd::time_limit;
  if (controls_.stop_signal() != 0) return TrainEnd::signal;
  return std::nullopt;
}

std::optional<TrainEnd> Trainer::end_within_epoch() const {
  if (controls_.stop_signal() != 0) return TrainEnd::signal;
  // The limit leaves time for the evaluation that comes with it.
  const double evaluation = estimate_.seconds(0, test_.size());
  if (config_.max_time > 0 && position_.seconds + evaluation >= static_cast<double>(config_.max_time)) {
    return TrainEnd::time_limit;
  }
  return std::nullopt;
}

std::optional<TrainEnd> Trainer::train_epoch() {
  if (position_.step_in_epoch == steps_per_epoch_) return std::nullopt;  // stopped during its evaluation
  train_loader_.start(position_.epoch, position_.step_in_epoch);
  wait_before_ = position_.epoch_wait_seconds;
  since_record_ = {};
  (void)lap();
  while (train_next_batch()) {
    if (const auto end = end_within_epoch()) {
      // At the limit, but all that is left of the epoch is its evaluation.
      if (end == TrainEnd::time_limit && position_.step_in_epoch == steps_per_epoch_) break;
      save_state();
      return end;
    }
    const double save_interval = 60.0 * static_cast<double>(config_.save_interval);
    if (save_interval > 0.0 && controls_.clock() - last_save_ >= save_interval) save_state();
  }
  return std::nullopt;
}

bool Trainer::train_next_batch() {
  StepProfiler* const profiler = controls_.profiler;
  if (profiler != nullptr && position_.step_in_epoch < steps_per_epoch_) profiler->before_step();
  const Batch* const batch = train_loader_.next();
  if (batch == nullptr) return false;
  train_step(*batch);
  if (profiler != nullptr) profiler->after_step(position_.step);
  return true;
}

void Trainer::train_step(const Batch& batch) {
  static const TraceName kStep("training step");
  const TraceScope scope(kStep, position_.step + 1);
  const BatchResult result = network_.train_batch(
      batch.images, {.labels = batch.labels, .soft = batch.targets, .label_smoothing = config_.label_smoothing});
  if (!std::isfinite(result.loss_sum)) fail_not_finite("loss", result.loss(), position_.step);
  const float rate = learning_rate(schedule_, position_.step);
  const double gradient_norm = optimizer_->step(rate);
  if (!std::isfinite(gradient_norm)) fail_not_finite("gradients' norm", gradient_norm, position_.step);

  ++position_.step;
  ++position_.step_in_epoch;
  position_.epoch_images += result.images;
  position_.epoch_loss_sum += result.loss_sum;
  position_.epoch_correct += result.correct;
  position_.epoch_wait_seconds = wait_before_ + train_loader_.seconds_waited();
  const double seconds = lap();
  position_.epoch_seconds += seconds;
  estimate_.trained(result.images, seconds);
  since_record_.images += result.images;
  since_record_.seconds += seconds;
  if (config_.log_interval > 0 && position_.step % config_.log_interval == 0) {
    log_step(result, as_written(rate), gradient_norm);
  }
  show_training();
}

void Trainer::log_step(const BatchResult& result, double learning_rate, double gradient_norm) {
  const double waited = train_loader_.seconds_waited();
  metrics_->append(
      StepRecord{.epoch = position_.epoch + 1,
                 .step = position_.step,
                 .loss = result.loss(),
                 .accuracy = result.accuracy(),
                 .learning_rate = learning_rate,
                 .gradient_norm = gradient_norm,
                 .images_per_second = static_cast<double>(since_record_.images) / std::max(since_record_.seconds, 1e-9),
                 .wait_seconds = waited - since_record_.wait_at_start});
  since_record_ = {.images = 0, .seconds = 0.0, .wait_at_start = waited};
}

std::optional<TrainEnd> Trainer::finish_epoch() {
  const double before = position_.seconds;
  const Evaluation evaluation = evaluate_test_set();
  if (!evaluation.complete) {
    save_state();
    return TrainEnd::signal;
  }
  const BatchResult& test = evaluation.total;
  ++position_.epoch;
  const bool best = test.accuracy() > position_.best_accuracy;
  if (best) {
    position_.best_accuracy = test.accuracy();
    position_.best_epoch = position_.epoch;
  }
  position_.epochs_without_improvement = best ? 0 : position_.epochs_without_improvement + 1;
  position_.last_test_accuracy = test.accuracy();

  const auto images = static_cast<double>(position_.epoch_images);
  const double supply = train_loader_.statistics().images_per_second();
  const EpochRecord record{.epoch = position_.epoch,
                           .step = position_.step,
                           .loss = position_.epoch_loss_sum / images,
                           .accuracy = static_cast<double>(position_.epoch_correct) / images,
                           .test_loss = test.loss(),
                           .test_accuracy = test.accuracy(),
                           .test_top5 = test.accuracy_top5(),
                           .best_test_accuracy = position_.best_accuracy,
                           .learning_rate = as_written(learning_rate(schedule_, position_.step - 1)),
                           .images_per_second = images / std::max(position_.epoch_seconds, 1e-9),
                           .wait_seconds = position_.epoch_wait_seconds,
                           .supply = supply,
                           .data_share = images / std::max(supply * threads_ * position_.epoch_seconds, 1e-9),
                           .train_seconds = position_.epoch_seconds,
                           .test_seconds = position_.seconds - before,
                           .total_seconds = position_.seconds};
  position_.step_in_epoch = 0;
  position_.epoch_images = 0;
  position_.epoch_loss_sum = 0.0;
  position_.epoch_correct = 0;
  position_.epoch_seconds = 0.0;
  position_.epoch_wait_seconds = 0.0;

  metrics_->append(record);
  save_state();
  checkpointer_->save_epoch(position_);
  const std::int64_t epochs_left = config_.epochs - position_.epoch;
  progress_.print_epoch(
      record, config_.epochs, best,
      epochs_left == 0 ? -1.0 : run_seconds_left(epochs_left * images_per_epoch(), epochs_left * test_.size()));
  return std::nullopt;
}

Evaluation Trainer::evaluate_test_set() {
  std::int64_t done = 0;
  (void)lap();
  Evaluation evaluation = evaluate(network_, test_loader_, [&](std::int64_t images) {
    estimate_.evaluated(images - done, lap());
    done = images;
    show_evaluation(images);
    return controls_.stop_signal() == 0;
  });
  // A signal that comes with the last batch finds the evaluation done; end_between_epochs sees to it.
  evaluation.complete = evaluation.total.images == test_.size();
  if (evaluation.complete && !std::isfinite(evaluation.total.loss())) {
    fail_not_finite("test loss", evaluation.total.loss(), position_.step - 1);
  }
  return evaluation;
}

/// Within an epoch the limit still gives weights with a known accuracy. They are neither the run's best nor in
/// metrics.jsonl: a run that goes on is as if never stopped.
void Trainer::end_by_time_limit() {
  const Evaluation evaluation = evaluate_test_set();
  if (!evaluation.complete) return;
  save_state();
  checkpointer_->save_last(position_, evaluation.total.accuracy());
  progress_.print(fmt::format("within epoch {}, after step {}/{}: test loss {:.4f} acc {:.2f}% top-5 {:.2f}%, in {}",
                              position_.epoch + 1, position_.step_in_epoch, steps_per_epoch_, evaluation.total.loss(),
                              100.0 * evaluation.total.accuracy(), 100.0 * evaluation.total.accuracy_top5(),
                              folder_.last().string()));
}

void Trainer::save_state() {
  static const TraceName kSave("save state");
  const TraceScope scope(kSave, position_.step);
  check_weights_are_finite();
  metrics_->sync();
  checkpointer_->save_state(position_);
  last_save_ = controls_.clock();
}

void Trainer::check_weights_are_finite() const {
  const Parameters& parameters = network_.parameters();
  for (ParameterId id = 0; id < static_cast<ParameterId>(network_.graph().parameters().size()); ++id) {
    for (const float value : parameters.value(id)) {
      if (!std::isfinite(value)) fail_not_finite("weights", static_cast<double>(value), position_.step - 1);
    }
  }
}

void Trainer::fail_not_finite(const char* what, double value, std::int64_t update) const {
  fail(
      "the {} became {} at step {} (epoch {}, learning rate {:.4g}); what was saved at step {} is untouched; a lower "
      "--lr "
      "or --clip-norm 1 may help, in another --out or with --fresh",
      what, value, update + 1, position_.epoch + 1, static_cast<double>(learning_rate(schedule_, update)),
      checkpointer_->saved_step());
}

std::string Trainer::changed_circumstances() {
  if (!checkpointer_->before()) return "";
  const Circumstances& before = *checkpointer_->before();
  const PlanKind plan = training_plan().kind();
  if (!before.plan.empty() && before.plan != to_string(plan)) {
    return fmt::format("so far this run was trained in a {} plan, now in a {} one", before.plan, to_string(plan));
  }
  // Fused plans give the same bits for any number.
  if (plan == PlanKind::fused || before.threads == threads_) return "";
  return fmt::format("so far this run was trained with {} threads, now with {}", before.threads, threads_);
}

const Plan& Trainer::training_plan() {
  return network_.plan(batch_sizes(train_size_, config_.batch_size, config_.drop_last).front(), PlanMode::training);
}

PlannedMemory Trainer::planned_memory() {
  for (const auto batch : batch_sizes(train_size_, config_.batch_size, config_.drop_last)) {
    (void)network_.plan(batch, PlanMode::training);
  }
  for (const auto batch : batch_sizes(test_.size(), config_.eval_batch_size, false)) {
    (void)network_.plan(batch, PlanMode::inference);
  }
  return network_.memory();
}

double Trainer::lap() {
  const double now = controls_.clock();
  const double seconds = now - std::exchange(lap_start_, now);
  position_.seconds += seconds;
  return seconds;
}

std::int64_t Trainer::images_per_epoch() const {
  return config_.drop_last ? steps_per_epoch_ * config_.batch_size : train_size_;
}

double Trainer::run_seconds_left(std::int64_t training_images, std::int64_t evaluation_images) const {
  const double left = estimate_.seconds(training_images, evaluation_images);
  if (config_.max_time == 0) return left;
  return std::min(left, std::max(0.0, static_cast<double>(config_.max_time) - position_.seconds));
}

void Trainer::show_training() {
  const std::int64_t images_left = images_per_epoch() - position_.epoch_images;
  const std::int64_t epochs_left = config_.epochs - position_.epoch - 1;
  const auto images = static_cast<double>(position_.epoch_images);
  progress_.update({.evaluating = false,
                    .epoch = position_.epoch + 1,
                    .epochs = config_.epochs,
                    .done = position_.step_in_epoch,
                    .total = steps_per_epoch_,
                    .images_per_second = estimate_.training_rate(),
                    .wait_share = position_.epoch_wait_seconds / std::max(position_.epoch_seconds, 1e-9),
                    .loss = position_.epoch_loss_sum / images,
                    .accuracy = static_cast<double>(position_.epoch_correct) / images,
                    .epoch_seconds_left = estimate_.seconds(images_left, test_.size()),
                    .run_seconds_left = run_seconds_left(images_left + epochs_left * images_per_epoch(),
                                                         (epochs_left + 1) * test_.size())});
}

void Trainer::show_evaluation(std::int64_t images_done) {
  const std::int64_t images_left = test_.size() - images_done;
  const std::int64_t epochs_left = config_.epochs - position_.epoch - 1;
  const auto images = static_cast<double>(std::max<std::int64_t>(position_.epoch_images, 1));
  progress_.update({.evaluating = true,
                    .epoch = position_.epoch + 1,
                    .epochs = config_.epochs,
                    .done = images_done,
                    .total = test_.size(),
                    .images_per_second = estimate_.evaluation_rate(),
                    .wait_share = 0.0,
                    .loss = position_.epoch_loss_sum / images,
                    .accuracy = static_cast<double>(position_.epoch_correct) / images,
                    .epoch_seconds_left = estimate_.seconds(0, images_left),
                    .run_seconds_left =
                        run_seconds_left(epochs_left * images_per_epoch(), images_left + epochs_left * test_.size())});
}

}  // namespace convmixer
