#include "step_measurement.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/process_memory.hpp"
#include "convmixer/data/dataset_names.hpp"
#include "convmixer/model/network.hpp"
#include "core/batch_chunks.hpp"
#include "peaks/peak.hpp"
#include "plan/engine_runtime.hpp"
#include "train/random_batch.hpp"

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>

namespace convmixer::perf {

namespace {

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void require_equal(const MicroBatches& parts) {
  if (parts.smallest() == parts.largest()) return;
  fail_usage("micro-batch: {} images make {}; expected equal ones", parts.images(), describe(parts));
}

/// Times one step, `body` giving back the seconds that its optimiser took.
template <typename Body>
StepTimes timed_step(StepProfile& profile, const Body& body) {
  const double begin = seconds_now();
  const double optimiser = body();
  const double total = seconds_now() - begin;
  StepTimes times = profile.take();
  times.total = total;
  times.optimiser = optimiser;
  return times;
}

}  // namespace

StepMeasurement measure_steps(const StepOptions& options, Engine& engine) {
  const TrainConfig& config = options.config;
  constexpr int kColours = 3;
  constexpr float kLearningRate = 1e-3F;
  StepMeasurement result;
  result.model = model_config(config, kColours, known_classes(config.dataset).value_or(10));
  result.precision = choose_precision(config.precision);
  Network network(make_graph(result.model), result.precision, engine, config.layout, config.plan);
  network.parameters().initialise(config.seed);
  network.set_micro_batch(config.micro_batch);
  network.set_norm_ranks(config.batch_norm);
  network.set_exchange_time(options.exchange);
  result.parameters = parameter_count(network.graph());
  result.work = options.inference ? inference_work(network.graph()) : training_work(network.graph());
  const std::unique_ptr<Optimizer> optimizer =
      options.inference
          ? nullptr
          : make_optimizer(network.parameters(), optimizer_settings(config, result.precision), engine.pool());
  const RandomBatch batch(task_of(result.model), config.batch_size);
  Communicator& ranks = engine.ranks();
  result.ranks = ranks.size();
  if (ranks.size() > 1 && (options.inference || config.micro_batch > 0))
    fail_usage("{} ranks: expected training steps without micro-batches", ranks.size());
  const BatchChunks share(static_cast<std::size_t>(config.batch_size), ranks.rank(), ranks.size());
  const Shape& image = network.graph().tensors().front();
  const auto pixels = static_cast<std::size_t>(image.count());
  const auto images =
      std::span<const float>(batch.images).subspan(share.first_image() * pixels, share.images() * pixels);
  const auto labels = std::span<const std::int32_t>(batch.labels).subspan(share.first_image(), share.images());
  if (!options.inference) result.micro_batches = network.micro_batches(config.batch_size);
  require_equal(result.micro_batches);  // one plan is observed
  Plan& plan = options.inference ? network.plan(config.batch_size, PlanMode::inference)
                                 : network.plan_training(config.batch_size);
  StepProfile profile(plan.steps(), seconds_now);
  plan.set_observer(&profile);
  CommunicationTotals before;
  const int warmup = ranks.size() > 1 && options.exchange == ExchangeTime::measured
                         ? std::max(options.warmup, kExchangeTrialSteps)
                         : options.warmup;
  for (int i = 0; i < warmup + options.steps; ++i) {
    if (i == warmup) before = ranks.totals();
    const StepTimes times = timed_step(profile, [&] {
      if (options.inference) {
        plan.forward(batch.images);
        return 0.0;
      }
      network.train_share(images, image, {.labels = labels, .soft = {}}, config.batch_size);
      const double begin = seconds_now();
      optimizer->step(kLearningRate);
      return seconds_now() - begin;
    });
    if (i >= warmup) result.steps.push_back(times);
  }
  plan.set_observer(nullptr);
  result.plan = plan.kind();
  result.kinds = profile.kinds();
  for (OperationKind& kind : result.kinds) kind.calls *= static_cast<int>(result.micro_batches.count());
  result.planned = network.memory();
  result.peak_rss = process_memory().peak;
  const CommunicationTotals after = ranks.totals();
  result.exchanged = {after.messages - before.messages, after.bytes - before.bytes, after.seconds - before.seconds};
  return result;
}

MeasuredPeaks measure_peaks(Precision precision, std::chrono::duration<double> time_for_each, Engine& engine) {
  if (!Engine::has_instructions(precision)) precision = Precision::f32;
  const auto type = precision == Precision::f32 ? kernels::ElementType::f32 : kernels::ElementType::bf16;
  const Peak matrix = matrix_peak(runtime_of(engine), type, time_for_each);
  const Peak fma = fma_peak(runtime_of(engine), time_for_each);
  return {{matrix.flops, fma.flops}, precision, matrix.implementation, fma.implementation};
}

}  // namespace convmixer::perf
