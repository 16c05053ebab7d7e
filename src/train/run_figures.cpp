#include "convmixer/train/run_figures.hpp"

#include "convmixer/checkpoint/checkpoint.hpp"
#include "convmixer/core/error.hpp"
#include "convmixer/core/plural.hpp"
#include "convmixer/core/thread_pool.hpp"
#include "convmixer/core/threads.hpp"
#include "convmixer/data/open_dataset.hpp"
#include "convmixer/figures/thumbnail.hpp"
#include "convmixer/model/registry.hpp"
#include "convmixer/train/config.hpp"
#include "convmixer/train/run_config.hpp"
#include "convmixer/train/run_images.hpp"
#include "core/path_kind.hpp"

#include <algorithm>
#include <system_error>

namespace convmixer {
namespace {

namespace fs = std::filesystem;

void check_size(const fs::path& path, std::uintmax_t most) {
  std::error_code error;
  const std::uintmax_t bytes = fs::file_size(path, error);
  if (!error && bytes > most) fail("{}: {} are too many to be read here", path.string(), counted(bytes, "byte"));
}

void add_filters(RunFigures& figures, const RunFolder& folder, const RunFiguresOptions& options) {
  const bool has_best = is_there(folder.best());
  const fs::path path = has_best ? folder.best() : folder.last();
  if (!is_there(path)) fail("no weights are saved yet");
  check_size(path, options.most_bytes);
  const CheckpointInfo info = read_checkpoint_info(path);
  const Graph graph = make_graph(info.model);
  Parameters parameters(graph);
  load_weights(path, parameters);
  figures.filters = draw_filters(parameters, options.filters);
  figures.weights = has_best ? "best weights" : "last weights";
  figures.weights_epoch = info.epoch;
}

void add_evaluation(RunFigures& figures, const RunFolder& folder, const RunFiguresOptions& options) {
  if (!is_there(folder.best())) fail("no epoch's weights are saved yet");
  check_size(folder.best(), options.most_bytes);
  figures.evaluation = stored_evaluation(folder);
  if (figures.evaluation) return;
  if (options.evaluation == EvaluationUse::stored)
    fail("the best weights weren't evaluated yet (convmixer report does)");
  figures.evaluation = evaluate_run(folder, options.evaluated);
}

void add_samples(RunFigures& figures, const RunFolder& folder, const RunFiguresOptions& options) {
  TrainConfig config = read_run_config(folder);
  if (config.dataset == kAutoDataset && config.data.empty()) fail("{} names no data", folder.config().string());
  take_data(options.evaluated.data, config);
  if (!config.data.empty() && !is_there(config.data)) fail("training images of {} aren't there", config.data.string());
  recognise_dataset(config);
  const auto all = open_dataset(dataset_options(config, Split::train), Split::train);
  resolve(config, *all);
  const HoldoutSplit parts = config.holdout.is_on() ? split_holdout(config, *all) : HoldoutSplit{};
  const Dataset& train = parts.train ? *parts.train : *all;
  figures.samples_epoch = std::max<std::int64_t>(1, figures.weights_epoch);
  figures.sample_classes = train.class_names();
  ThreadPool pool(choose_thread_count(config.threads).count);
  for (const TrainingSample& one :
       training_samples(options.samples, figures.samples_epoch, loader_options(config, Split::train), train, pool))
    figures.samples.push_back(
        {.image = draw_thumbnail(one.image.channels, one.image.side, one.image.pixels), .target = one.target});
}

/// Runs `body`; what it throws is why `what` is missing.
template <typename Body>
void attempt(RunFigures& figures, const char* what, const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    figures.missing.push_back(fmt::format("{}: {}", error.what(), what));
  }
}

}  // namespace

RunFigures draw_run_figures(const RunFolder& folder, const RunFiguresOptions& options) {
  RunFigures figures;
  attempt(figures, "no filters", [&] { add_filters(figures, folder, options); });
  if (options.evaluation != EvaluationUse::none)
    attempt(figures, "no confusion matrix, no mistakes", [&] { add_evaluation(figures, folder, options); });
  if (options.samples > 0) attempt(figures, "no contact sheet", [&] { add_samples(figures, folder, options); });
  return figures;
}

}  // namespace convmixer
