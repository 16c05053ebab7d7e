#include "train/run_parts.hpp"

#include "convmixer/model/registry.hpp"
#include "convmixer/train/evaluate.hpp"
#include "convmixer/train/run_config.hpp"

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

/// An untrained network.
Network initial_network(const TrainConfig& config, const Dataset& train, Engine& engine) {
  Network network(make_graph(model_config(config, train.channels(), train.classes())),
                  choose_precision(config.precision), engine, config.layout, config.plan);
  network.parameters().initialise(config.seed);
  return network;
}

/// The batch sizes of one pass over `images`, the full batch first.
std::vector<std::int64_t> batch_sizes(std::int64_t images, std::int64_t batch, bool drop_last) {
  std::vector<std::int64_t> sizes;
  if (images >= batch) sizes.push_back(batch);
  if (images % batch != 0 && !drop_last) sizes.push_back(images % batch);
  return sizes;
}

}  // namespace

RunParts::RunParts(const TrainConfig& config, const Dataset& train, const Dataset& test, Engine& engine)
    : folder{config.out},
      lock(folder),
      network(initial_network(config, train, engine)),
      optimizer(make_optimizer(network.parameters(), config.optimizer, engine.pool())),
      train_loader(train, loader_options(config, Split::train), engine.pool()),
      test_loader(test, loader_options(config, Split::test), engine.pool()),
      schedule(make_schedule(config, train_loader.batches_per_epoch())),
      checkpointer(folder, fingerprint(config), weights_info(config, train), network.parameters(), *optimizer) {
  check_fits(network, train_loader);
  check_fits(network, test_loader);
}

OpenRun open_run(const TrainConfig& config, const Dataset& train, const Dataset& test, Engine& engine) {
  require_storable(config);
  auto parts = std::make_unique<RunParts>(config, train, test, engine);
  remove_unfinished_files(parts->folder);
  const TrainingPosition position = parts->checkpointer.restore().value_or(TrainingPosition{});
  (void)plan_all(parts->network, config, train.size(), test.size());
  const PlanKind kind = training_plan(parts->network, config, train.size()).kind();
  parts->checkpointer.set_circumstances({engine.pool().threads(), to_string(kind)});
  if (!parts->folder.holds_state()) parts->checkpointer.save_state(position);
  write_run_config(parts->folder, config);
  parts->metrics.emplace(parts->folder.metrics(), position.epoch, position.step);
  return {std::move(parts), position};
}

Plan& training_plan(Network& network, const TrainConfig& config, std::int64_t train_images) {
  return network.plan(batch_sizes(train_images, config.batch_size, config.drop_last).front(), PlanMode::training);
}

PlannedMemory plan_all(Network& network, const TrainConfig& config, std::int64_t train_images,
                       std::int64_t test_images) {
  for (const auto batch : batch_sizes(train_images, config.batch_size, config.drop_last)) {
    (void)network.plan(batch, PlanMode::training);
  }
  for (const auto batch : batch_sizes(test_images, config.eval_batch_size, false)) {
    (void)network.plan(batch, PlanMode::inference);
  }
  return network.memory();
}

}  // namespace convmixer
