#include "convmixer/train/trainer.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/plural.hpp"
#include "convmixer/core/printable.hpp"
#include "convmixer/core/running_clock.hpp"
#include "convmixer/core/trace.hpp"
#include "convmixer/core/unsigned_nan.hpp"
#include "convmixer/train/image_size_schedule.hpp"
#include "convmixer/train/run_length.hpp"
#include "convmixer/train/stop_signal.hpp"
#include "train/averaged_statistics.hpp"
#include "train/earlier_curves.hpp"
#include "train/followed_run.hpp"
#include "train/run_outlook.hpp"
#include "train/run_parts.hpp"
#include "train/session_record.hpp"
#include "train/step_rate.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>
#include <utility>

namespace convmixer {
namespace {

/// The double that is written as the float is: 0.01, not 0.009999999776482582.
double as_written(float value) {
  const std::string text = fmt::format("{}", value);
  double number = 0.0;
  std::from_chars(text.data(), text.data() + text.size(), number);  // whatever the locale
  return number;
}

/// Of the data since the run was saved; empty if there is none.
std::string describe_change(const RunParts& parts) {
  if (parts.data.change().empty()) return "";
  const std::string& consequence = parts.data.consequence();
  return fmt::format("the data has changed since {} was saved: {}; it goes on with what is there now{}{}",
                     parts.folder.path.string(), parts.data.change(), consequence.empty() ? "" : "; ", consequence);
}

EvaluationRecord record_of(const BatchResult& evaluated) {
  return {evaluated.loss(), evaluated.accuracy(), evaluated.accuracy_top5()};
}

/// With what the caller left out.
TrainControls completed(TrainControls controls) {
  const TrainControls defaults = default_controls();
  if (!controls.stop_signal) controls.stop_signal = defaults.stop_signal;
  if (!controls.clock) controls.clock = defaults.clock;
  return controls;
}

/// All ranks' alike.
TrainControls shared(TrainControls controls, Communicator& ranks) {
  controls.clock = shared_clock(std::move(controls.clock), ranks);
  controls.stop_signal = shared_signal(std::move(controls.stop_signal), ranks);
  return controls;
}

}  // namespace

TrainControls default_controls() {
  return {StopSignal::received, [clock = std::make_shared<RunningClock>()] { return clock->seconds(); }};
}

Trainer::Trainer(const TrainConfig& config, const Dataset& train, const Dataset& test, Engine& engine,
                 Progress& progress, TrainControls controls)
    : config_(config),
      images_(run_images(config, train.size(), test.size())),
      pool_(engine.pool()),
      ranks_(engine.ranks()),
      progress_(progress),
      controls_(shared(completed(std::move(controls)), ranks_)) {
  const bool follows = ranks_.rank() > 0;
  if (follows) {
    followed_ = std::make_unique<FollowedRun>(ranks_);
    config_.out = followed_->folder();
  }
  OpenRun run = open_run(config_, train, test, engine,
                         {.may_change_data = controls_.may_change_data || follows,  // rank 0 has decided
                          .dry = controls_.dry_run,
                          .fresh = controls_.dry_run && controls_.fresh,
                          .follow = follows});
  if (ranks_.size() > 1 && !follows) send_state(ranks_, run.parts->folder);
  if (followed_) followed_->remove();
  parts_ = std::move(run.parts);
  if (ranks_.size() > 1) require_same_data(ranks_, parts_->data.identity());
  position_ = run.position;
  schedule_shift_ = position_.epoch * steps_per_epoch() + position_.step_in_epoch - position_.step;
  for (const std::string& note : {parts_->lock.missing(), describe_change(*parts_)})
    if (!note.empty()) progress_.print(fmt::format("note: {}", printable(note)));
  outlook_ = std::make_unique<RunOutlook>(
      RunSize{.epochs = total_epochs(config),
              .steps_per_epoch = steps_per_epoch(),
              .images_per_epoch = config.drop_last ? steps_per_epoch() * config.batch_size : images_.train,
              .test_images = evaluated_images(config, images_.train, images_.epoch_evaluation()),
              .statistics_images = statistics_images(config, images_.train),
              .final_images = images_.final_evaluation(),
              .holdout = images_.holdout > 0,
              .averaged = config.average.is_on(),
              .eval_interval = config.eval_interval,
              .max_seconds = static_cast<double>(config.max_time),
              .costs = image_costs(parts_->network, image_size_stretches(config))});
  if (position_.step > 0 && progress_.is_live()) add_earlier_curves(parts_->folder, position_.step, outlook_->curves());
}

Trainer::~Trainer() = default;

std::int64_t Trainer::steps_per_epoch() const noexcept { return parts_->train_loader.batches_per_epoch(); }

std::int64_t Trainer::steps_left() const noexcept {
  return outlook_->size().epochs * steps_per_epoch() - scheduled(position_.step);
}

Network& Trainer::network() noexcept { return parts_->network; }

const std::string& Trainer::initial_weights() const noexcept { return parts_->initial.description; }

const RunFolder& Trainer::folder() const noexcept { return parts_->folder; }

const Plan& Trainer::training_plan() { return convmixer::training_plan(parts_->network, config_, images_.train); }

PlannedMemory Trainer::planned_memory() { return plan_all(parts_->network, config_, images_, ranks_); }

template <class Record>
void Trainer::append_metrics(const Record& record) {
  if (parts_->metrics) parts_->metrics->append(record);
}

TrainEnd Trainer::run() {
  if (controls_.dry_run) fail_usage("a dry run doesn't train: expected TrainControls without dry_run");
  name_traced_thread(kTrainingThread, 0);
  if (is_done(config_, position_)) {
    const TrainEnd end = *reached_end(config_, position_);
    // What an error had left to be done was done when the run was opened.
    if (parts_->metrics && parts_->metrics->ended_by_error()) append_metrics(end_record(to_string(end), position_));
    return end;
  }
  open_tensorboard_log();
  lap_start_ = controls_.clock();
  last_save_ = lap_start_;
  append_metrics(session_record(config_, training_plan(), pool_.threads(), ranks_.size(), position_));
  try {
    const TrainEnd end = train_and_test();
    append_metrics(end_record(to_string(end), position_));
    if (parts_->metrics) parts_->metrics->sync();
    log_end(end);
    return end;
  } catch (const Error& error) {
    record_failure(error);
    log_end(std::nullopt);
    throw;
  }
}

void Trainer::record_failure(const Error& failure) {
  try {
    append_metrics(end_record(failure, position_));
    if (parts_->metrics) parts_->metrics->sync();
  } catch (const Error&) {  // a full disk, for example: the failure itself is told
  }
}

TrainEnd Trainer::train_and_test() {
  const TrainEnd end = outlook_->size().epochs == 0 ? save_untrained() : train_all_epochs();
  return is_for_good(end) ? evaluate_best(end) : end;
}

TrainEnd Trainer::train_all_epochs() {
  const std::int64_t first_step = position_.step;
  std::optional<TrainEnd> end = end_between_epochs();
  while (!end) {
    end = train_epoch();
    if (!end) end = finish_epoch();
    if (!end) end = end_between_epochs();
  }
  const bool is_evaluated = position_.step_in_epoch == 0 && position_.is_evaluated();
  if (end == TrainEnd::time_limit && !is_evaluated && position_.step > first_step) end = end_by_time_limit();
  return *end;
}

std::optional<TrainEnd> Trainer::train_epoch() {
  if (position_.step_in_epoch == steps_per_epoch()) return std::nullopt;  // stopped during its evaluation
  parts_->train_loader.start(position_.epoch, position_.step_in_epoch);
  waited_ = parts_->train_loader.seconds_waited();
  since_record_ = {};
  (void)lap();
  exchanged_ = ranks_.totals();
  while (train_next_batch()) {
    if (const auto end = end_within_epoch()) {
      // At the limit, but all that is left of the epoch is its evaluation.
      if (end == TrainEnd::time_limit && position_.step_in_epoch == steps_per_epoch()) break;
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
  if (profiler != nullptr && position_.step_in_epoch < steps_per_epoch()) profiler->before_step();
  const Batch* const batch = parts_->train_loader.next();
  if (batch == nullptr) return false;
  train_step(*batch);
  log_parameters();
  if (profiler != nullptr) profiler->after_step(position_.step);
  return true;
}

void Trainer::train_step(const Batch& batch) {
  static const TraceName kStep("training step");
  const TraceScope scope(kStep, position_.step + 1);
  network().set_dropout(config_.seed, position_.step);
  const BatchResult result =
      network().train_share(batch.images, {batch.shape.channels, batch.shape.height, batch.shape.width},
                            {.labels = batch.labels, .soft = batch.targets, .label_smoothing = config_.label_smoothing},
                            batch.size_of_all_ranks);
  if (!std::isfinite(result.loss_sum)) fail_not_finite("loss", result.loss(), position_.step);
  const float rate = learning_rate(parts_->schedule, scheduled(position_.step));
  const double gradient_norm = parts_->optimizer->step(rate);
  if (!std::isfinite(gradient_norm)) fail_not_finite("gradients' norm", gradient_norm, position_.step);
  if (parts_->average) parts_->average->update(position_.step + 1);

  const double seconds = count_step(result);
  outlook_->trained(position_.epoch, result.images, seconds);
  outlook_->curves().add_loss(position_.step, result.loss());
  since_record_.images += result.images;
  since_record_.seconds += seconds;
  if (config_.log_interval > 0 && position_.step % config_.log_interval == 0) {
    record_step(result, as_written(rate), gradient_norm);
  }
  progress_.update(outlook_->training_view(position_));
}

double Trainer::count_step(const BatchResult& result) {
  ++position_.step;
  ++position_.step_in_epoch;
  EpochSums& sums = position_.sums;
  sums.images += result.images;
  sums.loss_sum += result.loss_sum;
  sums.correct += result.correct;
  const double seconds = lap();
  sums.seconds += seconds;
  const double waited = parts_->train_loader.seconds_waited();
  // The clocks of loader and ranks don't know when the process was stopped.
  const double wait = std::min(waited - std::exchange(waited_, waited), seconds);
  sums.wait_seconds += wait;
  since_record_.wait_seconds += wait;
  const CommunicationTotals before = std::exchange(exchanged_, ranks_.totals());
  sums.communication_seconds += std::min(exchanged_.seconds - before.seconds, seconds);
  sums.communication_bytes += exchanged_.bytes - before.bytes;
  return seconds;
}

void Trainer::record_step(const BatchResult& result, double learning_rate, double gradient_norm) {
  const StepRecord record{
      .epoch = position_.epoch + 1,
      .step = position_.step,
      .loss = result.loss(),
      .accuracy = result.accuracy(),
      .learning_rate = learning_rate,
      .gradient_norm = gradient_norm,
      .images_per_second = static_cast<double>(since_record_.images) / std::max(since_record_.seconds, kLeastSeconds),
      .wait_seconds = since_record_.wait_seconds,
      .total_seconds = position_.seconds,
      .seconds_left = outlook_->training_view(position_).run_seconds_left,
      .image_size = told_image_size(position_.epoch)};
  append_metrics(record);
  if (parts_->tensorboard) parts_->tensorboard->append(record);
  since_record_ = {};
}

std::optional<TrainEnd> Trainer::finish_epoch() {
  const double before = position_.seconds;
  std::optional<EpochResults> test;
  std::optional<double> accuracy;
  if (evaluated_epochs(config_).contains(position_.epoch + 1)) {
    test = evaluate_epoch();
    if (!test) {
      save_state();
      return TrainEnd::signal;
    }
    accuracy = test->of_saved().accuracy();
    outlook_->curves().add_accuracy(*accuracy);
  } else if (!recompute_average_statistics(
                 [this](std::int64_t done) { return outlook_->statistics_view(position_, done); })) {
    save_state();
    return TrainEnd::signal;
  }
  const bool best = position_.finish_epoch(accuracy);
  EpochRecord record = epoch_record(test, position_.seconds - before);
  position_.begin_epoch();
  record.seconds_left = outlook_->seconds_left(position_);
  // In the order that checkpointer.hpp gives.
  append_metrics(record);
  if (parts_->tensorboard) parts_->tensorboard->append(record);
  save_state();
  parts_->checkpointer.save_epoch(position_);
  progress_.print_epoch(record, outlook_->size().epochs, best, record.seconds_left);
  return std::nullopt;
}

EpochRecord Trainer::epoch_record(const std::optional<EpochResults>& test, double test_seconds) const {
  std::optional<EvaluationRecord> raw;
  std::optional<EvaluationRecord> averaged;
  if (test) raw = record_of(test->raw);
  if (test && test->averaged) averaged = record_of(*test->averaged);
  const EpochSums& sums = position_.sums;
  const auto images = static_cast<double>(sums.images);
  const double supply = parts_->train_loader.statistics().images_per_second();
  return {.epoch = position_.epoch,
          .step = position_.step,
          .holdout = images_.holdout > 0,
          .loss = sums.loss(),
          .accuracy = sums.accuracy(),
          .test = raw,
          .averaged = averaged,
          .best_test_accuracy = position_.best_accuracy,
          .learning_rate = as_written(learning_rate(parts_->schedule, scheduled(position_.step - 1))),
          .images_per_second = images / std::max(sums.seconds, kLeastSeconds),
          .wait_seconds = sums.wait_seconds,
          .supply = supply,
          .data_share = images / std::max(supply * pool_.threads() * ranks_.size() * sums.seconds, kLeastSeconds),
          .communication_seconds = sums.communication_seconds,
          .communication_bytes = sums.communication_bytes,
          .train_seconds = sums.seconds,
          .test_seconds = test_seconds,
          .total_seconds = position_.seconds,
          .image_size = told_image_size(position_.epoch - 1)};
}

int Trainer::told_image_size(std::int64_t epoch) const {
  return image_size_in(image_size_stretches(config_), epoch, 0);
}

std::optional<Trainer::EpochResults> Trainer::evaluate_epoch() {
  std::int64_t before = 0;
  const auto view = [&](std::int64_t done) { return outlook_->evaluation_view(position_, before + done); };
  const std::int64_t images = images_.epoch_evaluation();
  const std::optional<BatchResult> raw = evaluate_weights(parts_->evaluation_loader, images, view);
  if (!raw) return std::nullopt;
  if (!parts_->average) return EpochResults{*raw, std::nullopt};
  before = images;
  if (!recompute_average_statistics(view)) return std::nullopt;
  before += outlook_->size().statistics_images;
  const AveragedWeights averaged(*parts_->average);
  const std::optional<BatchResult> of_average = evaluate_weights(parts_->evaluation_loader, images, view);
  if (!of_average) return std::nullopt;
  return EpochResults{*raw, of_average};
}

bool Trainer::recompute_average_statistics(const View& view) {
  if (!parts_->statistics_loader) return true;
  const AveragedWeights averaged(*parts_->average);
  return recompute_statistics(network(), *parts_->statistics_loader, position_.epoch,
                              outlook_->size().statistics_images, evaluation_progress(view));
}

std::function<bool(std::int64_t)> Trainer::evaluation_progress(View view) {
  return [this, view = std::move(view), done = std::int64_t{0}](std::int64_t images) mutable {
    outlook_->evaluated(images - std::exchange(done, images), lap());
    progress_.update(view(images));
    return controls_.stop_signal() == 0;
  };
}

std::optional<BatchResult> Trainer::evaluate_weights(Loader& loader, std::int64_t images, const View& view) {
  (void)lap();
  const Evaluation evaluation = evaluate(network(), loader, {.go_on = evaluation_progress(view)});
  // A signal that comes with the last batch finds the evaluation done; end_between_epochs sees to it.
  if (evaluation.total.images != images) return std::nullopt;
  if (!std::isfinite(evaluation.total.loss())) {
    fail_not_finite(view(images).holdout ? "holdout loss" : "test loss", evaluation.total.loss(), position_.step - 1);
  }
  return evaluation.total;
}

void Trainer::save_state() {
  static const TraceName kSave("save state");
  const TraceScope scope(kSave, position_.step);
  check_weights_are_finite();
  if (parts_->metrics) parts_->metrics->sync();
  if (parts_->tensorboard) parts_->tensorboard->sync();
  parts_->checkpointer.save_state(position_);
  last_save_ = controls_.clock();
}

void Trainer::check_weights_are_finite() const {
  const Parameters& parameters = parts_->network.parameters();
  for (ParameterId id = 0; id < static_cast<ParameterId>(parts_->network.graph().parameters().size()); ++id) {
    for (const float value : parameters.value(id)) {
      if (!std::isfinite(value)) fail_not_finite("weights", static_cast<double>(value), position_.step - 1);
    }
  }
}

void Trainer::fail_not_finite(const char* what, double value, std::int64_t update) const {
  if (update < 0) {
    fail("the {} became {} before the first step; expected initial weights{} that give a number", what,
         unsigned_nan(value), config_.init.empty() ? "" : fmt::format(" (init = {})", config_.init.string()));
  }
  fail(
      "the {} became {} at step {} (epoch {}, learning rate {:.4g}); what was saved at step {} is untouched; a lower "
      "--lr "
      "or --clip-norm 1 may help, in another --out or with --fresh",
      what, unsigned_nan(value), update + 1, position_.epoch + 1,
      static_cast<double>(learning_rate(parts_->schedule, scheduled(update))), parts_->checkpointer.saved_step());
}

std::string Trainer::changed_circumstances() {
  if (!parts_->checkpointer.before()) return "";
  const Circumstances& before = *parts_->checkpointer.before();
  const Circumstances& now = parts_->checkpointer.circumstances();
  constexpr const char* kLastBits = "as good, but not the same to the last bit";
  if (before.ranks > 0 && before.ranks != now.ranks) {
    return fmt::format("so far this run was trained by {}, now by {}: with batch-norm = local, not what it would be",
                       counted(before.ranks, "rank"), now.ranks);
  }
  if (!before.plan.empty() && before.plan != now.plan) {
    return fmt::format("so far this run was trained in a {} plan, now in a {} one: {}", before.plan, now.plan,
                       kLastBits);
  }
  // Fused plans give the same bits for any number.
  if (now.plan == to_string(PlanKind::fused) || before.threads == now.threads) return "";
  return fmt::format("so far this run was trained with {}, now with {}: {}", counted(before.threads, "thread"),
                     now.threads, kLastBits);
}

double Trainer::lap() {
  const double now = controls_.clock();
  const double seconds = now - std::exchange(lap_start_, now);
  position_.seconds += seconds;
  return seconds;
}

}  // namespace convmixer
