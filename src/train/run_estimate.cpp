#include "convmixer/train/run_estimate.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/process_memory.hpp"
#include "convmixer/data/loader.hpp"
#include "convmixer/model/network.hpp"
#include "convmixer/optim/optimizer_memory.hpp"
#include "convmixer/train/image_size_schedule.hpp"
#include "convmixer/train/run_length.hpp"
#include "train/initial_network.hpp"
#include "train/optimizer_options.hpp"
#include "train/random_batch.hpp"
#include "train/run_parts.hpp"
#include "train/step_rate.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>

namespace convmixer {
namespace {

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Batches without end: those of a data set, epoch after epoch, or one of random images again and again.
class EndlessBatches {
 public:
  EndlessBatches(const Dataset* dataset, const LoaderOptions& options, const ClassificationTask& task,
                 std::int64_t images, ThreadPool& pool) {
    if (dataset == nullptr) {
      random_.emplace(task, std::min(options.batch_size, images));
    } else {
      loader_ = std::make_unique<Loader>(*dataset, options, pool);
      loader_->start(0);
    }
  }

  Batch next() {
    if (random_) return random_->batch();
    const Batch* batch = loader_->next();
    if (batch == nullptr) {
      loader_->start(++epoch_);
      batch = loader_->next();
    }
    return *batch;
  }

  [[nodiscard]] LoaderStatistics statistics() const { return loader_ ? loader_->statistics() : LoaderStatistics{}; }

 private:
  std::unique_ptr<Loader> loader_;
  std::optional<RandomBatch> random_;
  std::int64_t epoch_ = 0;
};

/// A network in training, for as long as it takes to measure it.
class MeasuredTraining {
 public:
  MeasuredTraining(const TrainConfig& config, Precision precision, const EstimateData& data, Engine& engine)
      : config_(config),
        images_(run_images(config, data.train_images, data.test_images)),
        split_(split(config, data)),
        data_(of_the_run(data)),
        pool_(engine.pool()),
        network_(initial_network(config, with_task(config.model, data.task), precision, engine)),
        evaluated_(data_.test, loader_options(config, Split::test), data.task, data_.test_images, engine.pool()) {
    optimizer_ = make_optimizer(network_.parameters(), optimizer_settings(config, precision), engine.pool());
    if (config.average.is_on()) {
      average_ = std::make_unique<WeightAverage>(network_.parameters(), config.average, engine.pool());
    }
    const PlannedMemory plans = plan_all(network_, config, images_, engine.ranks());
    std::int64_t values = 2 * parameter_count(network_.graph());  // and their gradients
    const std::int64_t batch = std::min(config.batch_size, images_.train);
    if (network_.micro_batches(batch).count() > 1) values += trained_parameter_count(network_.graph());  // their sums
    estimate_.precision = precision;
    estimate_.plan = training_plan(network_, config, images_.train).kind();
    estimate_.planned_bytes = plans.total() + values * static_cast<std::int64_t>(sizeof(float)) +
                              static_cast<std::int64_t>(optimizer_->state_size().bytes) +
                              static_cast<std::int64_t>(optimizer_working_bytes(
                                  network_.graph(), optimizer_settings(config, precision), engine.pool().threads())) +
                              static_cast<std::int64_t>(average_ ? average_->bytes() : 0);
  }

  PrecisionEstimate measure(double seconds) {
    constexpr double kTrainingShare = 0.75;
    const std::vector<int> sizes = distinct_sizes(image_size_stretches(config_), data_.task.image_size);
    const double share = kTrainingShare / static_cast<double>(sizes.size());
    for (const int size : sizes) measure_training(size, share * seconds);
    const StepRate evaluation =
        measure_step_rate({.seconds = (1.0 - kTrainingShare) * seconds}, seconds_now, [this] { return evaluate(); });
    estimate_.evaluation_rate = evaluation.images_per_second;
    estimate_.peak_bytes = process_memory().resident;
    return estimate_;
  }

 private:
  /// Of the data, if there is any.
  static HoldoutSplit split(const TrainConfig& config, const EstimateData& data) {
    if (data.train == nullptr || !config.holdout.is_on()) return {};
    return split_holdout(config, *data.train);
  }

  /// What an epoch trains on, and what it is evaluated on.
  [[nodiscard]] EstimateData of_the_run(EstimateData data) const {
    data.train_images = images_.train;
    data.test_images = images_.epoch_evaluation();
    if (split_.train) data.train = split_.train.get();
    if (split_.holdout) data.test = split_.holdout.get();
    return data;
  }

  /// The data set's own size first.
  void measure_training(int image_size, double seconds) {
    const bool reduced = image_size != data_.task.image_size;
    LoaderOptions options = loader_options(config_, Split::train);
    options.image_sizes.clear();
    if (reduced) options.image_sizes.push_back({image_size, 0, 1});
    ClassificationTask task = data_.task;
    task.image_size = image_size;
    EndlessBatches batches(data_.train, options, task, data_.train_images, pool_);
    // Loaded ahead at the beginning are prefetch batches and one more: only after those is it seen how fast they come.
    const auto ahead = static_cast<std::size_t>(config_.prefetch) + 1;
    const StepRate rate = measure_step_rate({.seconds = seconds, .warmup = std::max<std::size_t>(ahead, 3)},
                                            seconds_now, [&] { return train(batches); });
    if (reduced) {
      estimate_.reduced.push_back({image_size, rate.images_per_second, rate.wait_share});
      return;
    }
    estimate_.wait_share = rate.wait_share;
    estimate_.supply = batches.statistics().images_per_second();
    estimate_.training_rate = rate.images_per_second;
    estimate_.training_spread = rate.spread;
    estimate_.steps = rate.steps;
  }

  StepDone train(EndlessBatches& batches) {
    constexpr float kLearningRate = 1e-3F;
    const double waited_before = batches.statistics().seconds_waited;
    const Batch batch = batches.next();
    const double waited = batches.statistics().seconds_waited - waited_before;
    network_.train_batch(batch.images, {batch.shape.channels, batch.shape.height, batch.shape.width},
                         {.labels = batch.labels, .soft = batch.targets, .label_smoothing = config_.label_smoothing});
    optimizer_->step(kLearningRate);
    if (average_) average_->update(optimizer_->steps());
    return {batch.size, waited};
  }

  StepDone evaluate() {
    const double waited_before = evaluated_.statistics().seconds_waited;
    const Batch batch = evaluated_.next();
    const double waited = evaluated_.statistics().seconds_waited - waited_before;
    network_.evaluate_batch(batch.images, {.labels = batch.labels, .soft = {}});
    return {batch.size, waited};
  }

  const TrainConfig& config_;
  RunImages images_;
  HoldoutSplit split_;  // empty where no images are held out
  EstimateData data_;
  ThreadPool& pool_;
  Network network_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<WeightAverage> average_;  // null: there is none
  EndlessBatches evaluated_;
  PrecisionEstimate estimate_;
};

PrecisionEstimate measure(const TrainConfig& config, Precision precision, const EstimateData& data, Engine& engine,
                          double seconds) {
  return MeasuredTraining(config, precision, data, engine).measure(seconds);
}

}  // namespace

RunWork epoch_work(const TrainConfig& config, const RunImages& images) {
  const std::int64_t left_out = config.drop_last ? images.train % config.batch_size : 0;
  return {images.train - left_out, evaluated_images(config, images.train, images.epoch_evaluation())};
}

RunWork work_left(const TrainConfig& config, const RunImages& images, const TrainingPosition& position) {
  const RunWork epoch = epoch_work(config, images);
  const std::int64_t epochs = total_epochs(config);
  const auto images_from = [&](std::int64_t first, std::int64_t end) {
    const std::int64_t left = std::max<std::int64_t>(0, end - std::max(first, position.epoch));
    const bool holds_present = first <= position.epoch && position.epoch < end;
    return std::max<std::int64_t>(0, left * epoch.training_images - (holds_present ? position.sums.images : 0));
  };
  const std::int64_t evaluations = evaluated_epochs(config).left_after(position.epoch);
  const std::int64_t others = std::max<std::int64_t>(0, epochs - position.epoch) - evaluations;
  RunWork work{.training_images = 0,
               .test_images = evaluations * epoch.test_images + others * statistics_images(config, images.train) +
                              images.final_evaluation()};
  const std::vector<ImageSizeStretch> stretches = image_size_stretches(config);
  if (stretches.empty()) work.training_images = images_from(0, epochs);
  for (const ImageSizeStretch& stretch : stretches) {
    const bool is_last = &stretch == &stretches.back();
    const std::int64_t taken = images_from(stretch.first_epoch, is_last ? epochs : stretch.end_epoch);
    if (stretch.image_size == stretches.back().image_size) {
      work.training_images += taken;
    } else {
      work.reduced.push_back({stretch.image_size, taken});
    }
  }
  return work;
}

double PrecisionEstimate::seconds(const RunWork& work) const {
  double sum = static_cast<double>(work.training_images) / training_rate +
               static_cast<double>(work.test_images) / evaluation_rate;
  for (const ReducedImages& images : work.reduced) {
    const auto size = std::ranges::find(reduced, images.image_size, &SizeEstimate::image_size);
    if (size == reduced.end()) fail("estimate: images of {} pixels weren't measured", images.image_size);
    sum += static_cast<double>(images.images) / size->training_rate;
  }
  return sum;
}

const PrecisionEstimate& RunEstimate::chosen() const {
  const auto found = std::ranges::find(precisions, choice.precision, &PrecisionEstimate::precision);
  if (found == precisions.end())
    fail_usage("estimate: {} is chosen but wasn't measured, expected what estimate_run gives",
               to_string(choice.precision));
  return *found;
}

RunEstimate estimate_run(const TrainConfig& config, const PrecisionChoice& choice, const EstimateData& data,
                         Engine& engine, const EstimateLimits& limits) {
  const double share = Engine::supports(Precision::bf16) ? 2.0 / 3.0 : 1.0;
  const auto seconds = static_cast<double>(limits.seconds);
  const double begin = seconds_now();
  RunEstimate result;
  result.choice = choice;
  // What the process needed up to here, to open the data, counts for all.
  const std::int64_t before = process_memory().peak;
  result.precisions.push_back(measure(config, choice.precision, data, engine, share * seconds));
  for (const Precision other : {Precision::f32, Precision::bf16}) {
    if (other == choice.precision || !Engine::supports(other)) continue;
    try {
      result.precisions.push_back(measure(config, other, data, engine, (1.0 - share) * seconds));
    } catch (const Error& error) {
      result.precisions.push_back({.precision = other, .failure = error.what()});
    }
  }
  for (PrecisionEstimate& estimate : result.precisions) estimate.peak_bytes = std::max(estimate.peak_bytes, before);
  std::ranges::sort(result.precisions, {}, &PrecisionEstimate::precision);
  result.seconds = seconds_now() - begin;
  return result;
}

}  // namespace convmixer
