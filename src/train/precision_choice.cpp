#include "convmixer/train/precision_choice.hpp"

#include "convmixer/core/plural.hpp"
#include "convmixer/graph/work.hpp"
#include "convmixer/model/network.hpp"
#include "train/initial_network.hpp"
#include "train/random_batch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>

namespace convmixer {
namespace {

constexpr double kMargin = 1.1;

/// Of a step that is to be timed: as many images as take a moment on one core, for the slower of the two precisions.
std::int64_t timed_batch(const Graph& graph, std::int64_t batch_size) {
  constexpr std::int64_t kMultiplyAdds = 10'000'000'000;
  constexpr std::int64_t kLeast = 2;  // a batch norm may have no more than them
  return std::clamp(kMultiplyAdds / std::max<std::int64_t>(training_work(graph).total(), 1),
                    std::min(kLeast, batch_size), batch_size);
}

/// The least of a few times: what else runs on the machine only adds to them.
struct BestSteps {
  double f32 = std::numeric_limits<double>::infinity();
  double bf16 = std::numeric_limits<double>::infinity();
};

BestSteps time_both(Network& f32, Network& bf16, const Batch& batch) {
  constexpr int kRounds = 6;  // the first of which warms up
  BestSteps best;
  const auto time = [&](Network& network, int round, double& seconds) {
    const auto begin = std::chrono::steady_clock::now();
    network.train_batch(batch.images, {.labels = batch.labels, .soft = {}});
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
    if (round > 0) seconds = std::min(seconds, taken.count());
  };
  for (int round = 0; round < kRounds; ++round) {
    time(f32, round, best.f32);
    time(bf16, round, best.bf16);
  }
  return best;
}

/// Throws Error (usage) if the network can't be trained in this precision by the plan that is asked for: makes a small
/// one, before anything is written, unless it is a plan that every network has.
void check_plan(const TrainConfig& config, Precision precision, int channels, int classes, Engine& engine) {
  constexpr std::int64_t kImages = 2;  // as few as a batch norm takes
  const bool any_network_has_it = config.plan == PlanKind::automatic || config.plan == PlanKind::plain;
  if (Engine::has_instructions(precision) && any_network_has_it) return;
  Network network(make_graph(model_config(config, channels, classes)), precision, engine, config.layout, config.plan);
  static_cast<void>(network.plan(kImages, PlanMode::training));
}

}  // namespace

Precision faster_precision(double f32_seconds, double bf16_seconds) {
  return f32_seconds * kMargin < bf16_seconds ? Precision::f32 : Precision::bf16;
}

PrecisionChoice choose_precision(const TrainConfig& config, int channels, int classes, Engine& engine) {
  const bool is_given = config.precision != "auto";
  const Precision given = is_given ? choose_precision(config.precision) : Precision::f32;
  check_plan(config, given, channels, classes, engine);
  if (is_given) return {given, "as given"};
  if (!Engine::has_instructions(Precision::bf16)) return {Precision::f32, "this CPU has no instructions for bf16"};
  const ModelConfig model = model_config(config, channels, classes);
  Engine alone(engine.pool());  // other ranks don't take part
  Network bf16 = initial_network(config, model, Precision::bf16, alone);
  const std::int64_t size = timed_batch(bf16.graph(), bf16.micro_batches(config.batch_size).largest());
  if (bf16.plan(size, PlanMode::training).kind() == PlanKind::fused) {
    return {Precision::bf16, "faster in fused plans wherever the CPU has instructions for it, as this one has"};
  }
  Network f32 = initial_network(config, model, Precision::f32, alone);
  const RandomBatch batch(task_of(model), size);
  const BestSteps best = time_both(f32, bf16, batch.batch());
  const Precision precision = faster_precision(best.f32, best.bf16);
  const bool is_little_faster = precision == Precision::bf16 && best.f32 < best.bf16;
  return {precision, fmt::format("a step of {} took {:.2f} times as long in f32 as in bf16{}", counted(size, "image"),
                                 best.f32 / best.bf16,
                                 is_little_faster ? fmt::format("; f32 has to be {} times as fast", kMargin) : "")};
}

PrecisionChoice resolve(TrainConfig& config, const Dataset& dataset, Engine& engine) {
  const std::string precision = config.precision;
  resolve(config, dataset);
  config.precision = precision;
  PrecisionChoice choice = choose_precision(config, dataset.channels(), dataset.classes(), engine);
  config.precision = to_string(choice.precision);
  return choice;
}

}  // namespace convmixer
