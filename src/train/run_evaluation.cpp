#include "convmixer/train/run_evaluation.hpp"

#include "checkpoint/file_fingerprint.hpp"
#include "convmixer/checkpoint/checkpoint.hpp"
#include "convmixer/core/error.hpp"
#include "convmixer/core/thread_pool.hpp"
#include "convmixer/core/threads.hpp"
#include "convmixer/data/loader.hpp"
#include "convmixer/figures/thumbnail.hpp"
#include "convmixer/model/model_file.hpp"
#include "convmixer/model/network.hpp"
#include "convmixer/train/config.hpp"
#include "convmixer/train/evaluate.hpp"
#include "convmixer/train/run_config.hpp"
#include "train/evaluation_file.hpp"

#include <system_error>
#include <utility>

namespace convmixer {
namespace {

namespace fs = std::filesystem;

EvaluatedSplit split_of(const TrainConfig& config) {
  return config.holdout.is_on() ? EvaluatedSplit::holdout : EvaluatedSplit::test;
}

/// The weights by their content, and the settings that have a say in which images are evaluated, and how.
std::string key_of(const std::string& weights_fingerprint, const TrainConfig& config) {
  return fmt::format("weights {}, dataset {}, test-images {}, {}, precision {}", weights_fingerprint, config.dataset,
                     config.test_images, name_of(split_of(config)), config.precision);
}

/// Best weights as they are now, in memory; a training may replace the file at any time.
struct EvaluatedWeights {
  CheckpointInfo info;
  std::string fingerprint;
  std::unique_ptr<Network> network;
};

EvaluatedWeights read_best(const RunFolder& folder, const TrainConfig& config, Engine& engine) {
  constexpr int kMostTries = 3;
  for (int i = 1;; ++i) {
    EvaluatedWeights best;
    best.fingerprint = file_fingerprint(folder.best());  // before anything else is read, and once more after it
    best.info = read_checkpoint_info(folder.best());
    require_model(folder.best(), best.info.model, config.model);
    best.network = std::make_unique<Network>(make_graph(best.info.model), choose_precision(config.precision), engine,
                                             config.layout, config.plan);
    load_weights(folder.best(), best.network->parameters());
    if (file_fingerprint(folder.best()) == best.fingerprint) return best;
    if (i == kMostTries) fail("{}: changes while it is read", folder.best().string());
  }
}

/// The run's settings, with the data where it is now.
TrainConfig configuration(const RunFolder& folder, const RunEvaluationOptions& options, const CheckpointInfo& info) {
  TrainConfig config = read_run_config(folder);
  config.image_size = task_of(info.model).image_size;
  take_data(options.data, config);
  std::error_code error;
  if (!config.data.empty() && !fs::exists(config.data, error))
    fail("{} of {} aren't there", images_of(split_of(config)), config.data.string());
  recognise_dataset(config);
  return config;
}

std::vector<MistakenImage> with_images(const std::vector<Mistake>& mistakes, const Dataset& images) {
  std::vector<MistakenImage> result;
  for (const Mistake& one : mistakes)
    result.push_back({.mistake = one,
                      .file = images.file_name(one.index),
                      .image = draw_thumbnail(images.channels(), images.image_size(), images.image(one.index))});
  return result;
}

RunEvaluation evaluate_images(Network& network, const Dataset& images, const TrainConfig& config, ThreadPool& pool,
                              const RunEvaluationOptions& options) {
  WorstMistakes worst(options.mistakes);
  Loader loader(images, loader_options(config, Split::test), pool);
  EvaluationOptions evaluation_options;
  evaluation_options.each_batch = [&](std::span<const float> logits, std::span<const std::int32_t> labels) {
    worst.add(logits, labels);
  };
  evaluation_options.go_on = [&](std::int64_t done) {
    if (options.progress) options.progress(done, images.size());
    return true;
  };
  const Evaluation evaluation = evaluate(network, loader, evaluation_options);
  RunEvaluation result{.split = split_of(config),
                       .images = evaluation.total.images,
                       .loss = evaluation.total.loss(),
                       .accuracy = evaluation.total.accuracy(),
                       .accuracy_top5 = evaluation.total.accuracy_top5(),
                       .unpredicted = evaluation.scores.unpredicted(),
                       .class_names = images.class_names(),
                       .classes = {},
                       .confusions = evaluation.scores.confusions(),
                       .mistakes = with_images(worst.mistakes(), images)};
  for (std::int64_t label = 0; label < std::ssize(result.class_names); ++label)
    result.classes.push_back(evaluation.scores.of_class(label));
  return result;
}

}  // namespace

fs::path evaluation_file(const RunFolder& folder) { return folder.path / "best.evaluation.json"; }

std::optional<RunEvaluation> stored_evaluation(const RunFolder& folder) {
  std::error_code error;
  if (!fs::exists(evaluation_file(folder), error)) return std::nullopt;
  return read_evaluation_file(evaluation_file(folder),
                              key_of(file_fingerprint(folder.best()), read_run_config(folder)));
}

RunEvaluation evaluate_run(const RunFolder& folder, const RunEvaluationOptions& options) {
  const auto note = [&](const std::string& text) {
    if (options.note) options.note(text);
  };
  TrainConfig config = configuration(folder, options, read_checkpoint_info(folder.best()));
  const std::string dataset = config.dataset;
  ThreadPool pool(choose_thread_count(config.threads).count);
  Engine engine(pool);
  const EvaluatedWeights best = read_best(folder, config, engine);
  const EvaluationImages images(config, split_of(config), folder.best(), best.info, note);
  resolve(config, images.images());
  RunEvaluation result = evaluate_images(*best.network, images.images(), config, pool, options);
  result.epoch = best.info.epoch;
  if (const std::string change = change_since_training(best.info, split_of(config), images.all()); !change.empty()) {
    note(fmt::format("the evaluation isn't kept: the data isn't that of the training: {}", change));
    return result;
  }
  try {
    write_evaluation_file(evaluation_file(folder), key_of(best.fingerprint, read_run_config(folder)), result);
  } catch (const Error& error) {
    note(fmt::format("the evaluation isn't kept: {}", error.what()));
  }
  return result;
}

}  // namespace convmixer
