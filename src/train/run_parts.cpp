#include "train/run_parts.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/model/norm_statistics.hpp"
#include "convmixer/train/evaluate.hpp"
#include "convmixer/train/image_size_schedule.hpp"
#include "convmixer/train/run_config.hpp"
#include "convmixer/train/run_length.hpp"
#include "convmixer/train/train_end.hpp"
#include "core/batch_chunks.hpp"
#include "train/averaging_options.hpp"
#include "train/initial_network.hpp"
#include "train/stem_initialisation.hpp"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <system_error>
#include <utility>
#include <vector>

namespace convmixer {
namespace {

CheckpointInfo weights_info(const TrainConfig& config, const RunData& data) {
  CheckpointInfo info;
  info.model = model_config(config, data.train().channels(), data.train().classes());
  info.dataset = config.dataset;
  info.mean = config.mean;
  info.std = config.std;
  info.fit = config.fit == Fit::crop ? "crop" : "stretch";
  info.class_names = data.identity().class_names;
  info.averaged = describe_averaging(config.average);
  info.data = to_text(data.identity());
  info.data.erase("class_names");
  info.data["test_choice"] = config.test_choice == TestChoice::name ? "name" : "path";
  return info;
}

/// Of a run that goes on, those that it began with. One that `follows` is told of them: the file may be out of its
/// reach.
InitialWeights initial_weights(const TrainConfig& config, const RunFolder& folder, const std::optional<SavedRun>& saved,
                               const RunData& data, Parameters& parameters, bool follows) {
  if (saved) {
    if (!follows) require_initial_weights(config, saved->initial_weights(), folder.path);
    return {saved->initial_weights(), ""};
  }
  if (config.init.empty()) {
    std::string text = describe_depthwise_filters(config);
    if (config.stem_init == StemInitialisation::standard) return {{}, text};
    if (!text.empty()) text += "; ";
    return {{}, text + whiten_stem(config, data.train(), parameters)};
  }
  return load_initial_weights(config, data.identity().class_names, parameters);
}

std::optional<SavedRun> saved_run(const RunFolder& folder, const TrainConfig& config, const OpenOptions& options) {
  if (options.fresh || !folder.holds_state()) return std::nullopt;
  SavedRun saved(folder);
  saved.require_settings(fingerprint(config));
  return saved;
}

std::unique_ptr<WeightAverage> weight_average(const TrainConfig& config, Parameters& parameters, ThreadPool& pool) {
  return config.average.is_on() ? std::make_unique<WeightAverage>(parameters, config.average, pool) : nullptr;
}

/// The training images as they are trained on, but as large as they are evaluated.
std::unique_ptr<Loader> statistics_loader(const TrainConfig& config, const Dataset& train, Engine& engine) {
  if (statistics_images(config, train.size()) == 0) return nullptr;
  LoaderOptions options = share_of(engine.ranks(), loader_options(config, Split::train));
  options.image_sizes.clear();
  return std::make_unique<Loader>(train, options, engine.pool());
}

/// The batch sizes of one pass over `images`, the full batch first.
std::vector<std::int64_t> batch_sizes(std::int64_t images, std::int64_t batch, bool drop_last) {
  std::vector<std::int64_t> sizes;
  if (images >= batch) sizes.push_back(batch);
  if (images % batch != 0 && !drop_last) sizes.push_back(images % batch);
  return sizes;
}

/// The configuration of a run that has ended by its own settings and by these, which it never had: of these, what it is
/// called and where it and its data are. Nothing for one that goes on, or whose configuration is lost.
std::optional<TrainConfig> ended_run(const RunFolder& folder, const TrainConfig& config,
                                     const TrainingPosition& position) {
  std::error_code ignored;
  if (!is_done(config, position) || !std::filesystem::exists(folder.config(), ignored)) return std::nullopt;
  TrainConfig kept = read_run_config(folder);
  if (!is_done(kept, position)) return std::nullopt;
  kept.name = config.name;
  kept.tags = config.tags;
  kept.note = config.note;
  kept.out = config.out;
  kept.data = config.data;
  kept.train_folder = config.train_folder;
  kept.test_folder = config.test_folder;
  kept.allow_partial = config.allow_partial;
  kept.data_cache = config.data_cache;
  return kept;
}

Circumstances circumstances(const TrainConfig& config, const Plan& training, Engine& engine) {
  return {.threads = engine.pool().threads(),
          .plan = to_string(training.kind()),
          .ranks = config.batch_norm == NormRanks::local ? engine.ranks().size() : 0};
}

}  // namespace

RunParts::RunParts(const TrainConfig& config, const Dataset& train, const Dataset& test, Engine& engine,
                   const OpenOptions& options)
    : folder{config.out},
      lock(folder, options.writes() ? FolderUse::write : FolderUse::look),
      saved(saved_run(folder, config, options)),
      data(config, folder, saved, train, test, options.may_change_data),
      network(initial_network(config, model_config(config, data.train().channels(), data.train().classes()),
                              choose_precision(config.precision), engine)),
      initial(initial_weights(config, folder, saved, data, network.parameters(), options.follow)),
      optimizer(make_optimizer(network.parameters(), optimizer_settings(config, network.precision()), engine.pool())),
      average(weight_average(config, network.parameters(), engine.pool())),
      train_loader(data.train(), share_of(engine.ranks(), loader_options(config, Split::train)), engine.pool()),
      evaluation_loader(data.epoch_images(), share_of(engine.ranks(), loader_options(config, Split::test)),
                        engine.pool()),
      statistics_loader(convmixer::statistics_loader(config, data.train(), engine)),
      schedule(make_schedule(config, train_loader.batches_per_epoch())),
      checkpointer(folder, fingerprint(config), data.identity(), initial.record, weights_info(config, data),
                   network.parameters(), *optimizer, average.get(), config.holdout.is_on(), options.follow) {
  if (!saved && statistics_loader && !NormStatistics(network).has_any())
    fail_usage("ema-statistics = recomputed has no effect: the network has no batch norm that is trained");
  check_dataset(data.test());
  check_fits(network, train_loader);
  check_fits(network, data.test());
}

TrainingPosition within_epoch(TrainingPosition position, std::int64_t steps_per_epoch, bool data_changed,
                              const RunFolder& folder) {
  if (position.step_in_epoch <= steps_per_epoch) return position;
  if (!data_changed) {
    fail_usage(
        "{}: stopped after step {} of an epoch, which has {} steps now: the data has changed; put it back as it was, "
        "or give --allow-changed-data "
        "to go on with what is there now, or {}",
        folder.path.string(), position.step_in_epoch, steps_per_epoch, kWaysOut);
  }
  position.step_in_epoch = steps_per_epoch;
  return position;
}

void require_epoch_to_come(const TrainConfig& config, const TrainingPosition& position, const RunFolder& folder) {
  const std::int64_t epochs = total_epochs(config);
  if (position.step == 0 || position.epoch < epochs || position.is_evaluated()) return;
  fail_usage("{}: epochs = {}: it is in epoch {}, and the one before wasn't evaluated; expected at least {}{}",
             folder.path.string(), config.epochs, position.epoch + 1, position.epoch + 1 - config.cooldown_epochs,
             config.cooldown_epochs > 0 ? fmt::format(" with {} cooldown-epochs", config.cooldown_epochs) : "");
}

OpenRun open_run(const TrainConfig& config, const Dataset& train, const Dataset& test, Engine& engine,
                 const OpenOptions& options) {
  require_storable(config);
  auto parts = std::make_unique<RunParts>(config, train, test, engine, options);
  if (options.writes()) remove_unfinished_files(parts->folder);
  const auto restored = options.fresh ? std::nullopt : parts->checkpointer.restore(parts->saved);
  const TrainingPosition position =
      within_epoch(restored.value_or(TrainingPosition{}), parts->train_loader.batches_per_epoch(),
                   options.may_change_data, parts->folder);
  require_epoch_to_come(config, position, parts->folder);
  (void)plan_all(parts->network, config, run_images(config, train.size(), test.size()), engine.ranks());
  const std::optional<TrainConfig> ended = restored ? ended_run(parts->folder, config, position) : std::nullopt;
  const std::optional<Circumstances>& before = parts->checkpointer.before();
  parts->checkpointer.set_circumstances(
      ended && before
          ? *before
          : circumstances(config, training_plan(parts->network, config, parts->data.train().size()), engine));
  if (!options.writes()) return {std::move(parts), position};
  if (restored) parts->checkpointer.complete_epoch(*restored);
  // What an earlier release saved doesn't know its data yet.
  if (!parts->saved || !parts->saved->data()) parts->checkpointer.save_state(position);
  write_run_config(parts->folder, ended.value_or(config));
  write_run_data(parts->folder, parts->data);
  parts->metrics.emplace(parts->folder.metrics(), position.epoch, position.step,
                         position.test.accuracy < 0.0 ? -1 : position.test.epoch);
  return {std::move(parts), position};
}

LoaderOptions share_of(const Communicator& ranks, LoaderOptions options) {
  options.rank = ranks.rank();
  options.ranks = ranks.size();
  return options;
}

Plan& training_plan(Network& network, const TrainConfig& config, std::int64_t train_images) {
  return network.plan_training(batch_sizes(train_images, config.batch_size, config.drop_last).front());
}

PlannedMemory plan_all(Network& network, const TrainConfig& config, const RunImages& images,
                       const Communicator& ranks) {
  std::vector<std::int64_t> training = batch_sizes(images.train, config.batch_size, config.drop_last);
  // Those of the last batch may be the larger ones: 100 and then 32 images, at most 33 at a time, are 25 and 32.
  std::ranges::stable_sort(training, std::greater<>(),
                           [&](auto batch) { return network.micro_batches(batch).largest(); });
  const Shape& whole = network.graph().tensors().front();
  std::vector<int> sizes = distinct_sizes(image_size_stretches(config), static_cast<int>(whole[1]));  // largest first
  // Recomputed statistics are of images of the whole size.
  if (statistics_images(config, images.train) > 0 && sizes.front() != whole[1])
    sizes.insert(sizes.begin(), static_cast<int>(whole[1]));
  for (const int size : sizes) {
    for (const auto batch : training) (void)network.plan_training(batch, {whole[0], size, size});
  }
  for (const std::int64_t evaluated : {images.epoch_evaluation(), images.final_evaluation()}) {
    for (const auto batch : batch_sizes(evaluated, config.eval_batch_size, false)) {
      const BatchChunks share(static_cast<std::size_t>(batch), ranks.rank(), ranks.size());
      if (share.images() > 0) (void)network.plan(static_cast<std::int64_t>(share.images()), PlanMode::inference);
    }
  }
  return network.memory();
}

}  // namespace convmixer
