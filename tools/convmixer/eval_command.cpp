#include "commands.hpp"
#include "confusion_image.hpp"
#include "confusion_table.hpp"
#include "convmixer/checkpoint/checkpoint.hpp"
#include "convmixer/core/error.hpp"
#include "convmixer/core/file.hpp"
#include "convmixer/core/plural.hpp"
#include "convmixer/core/printable.hpp"
#include "convmixer/core/running_clock.hpp"
#include "convmixer/data/data_identity.hpp"
#include "convmixer/model/model_file.hpp"
#include "convmixer/train/evaluate.hpp"
#include "convmixer/train/evaluation_images.hpp"
#include "convmixer/train/idle_settings.hpp"
#include "convmixer/train/option_parser.hpp"
#include "convmixer/train/output_files.hpp"
#include "convmixer/train/progress.hpp"
#include "convmixer/train/run_config.hpp"
#include "evaluation_json.hpp"
#include "evaluation_report.hpp"
#include "given_weights.hpp"
#include "live_line.hpp"
#include "predictions_file.hpp"
#include "progress_option.hpp"
#include "report.hpp"
#include "tta_options.hpp"

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>

namespace convmixer::tool {
namespace {

namespace fs = std::filesystem;

struct EvalCommandOptions {
  fs::path checkpoint = "best";
  EvaluatedSplit split = EvaluatedSplit::test;
  fs::path json;
  fs::path predictions;
  int top = 1;
  fs::path confusion_csv;
  fs::path confusion_png;
  ProgressMode progress = ProgressMode::automatic;
  TtaOptions tta;

  [[nodiscard]] std::vector<OutputFile> outputs() const {
    return {{"json", json},
            {"predictions", predictions},
            {"confusion-csv", confusion_csv},
            {"confusion-png", confusion_png, ".png"}};
  }
};

OptionGroup command_group(EvalCommandOptions& options) {
  OptionGroup group{
      "Command",
      {path_option("checkpoint", options.checkpoint, "NAME", "weights of a run folder: best, last, or another file"),
       choice_option("split", options.split, {{"test", EvaluatedSplit::test}, {"holdout", EvaluatedSplit::holdout}},
                     "which images; holdout: those that the run set aside of its training images"),
       path_option("json", options.json, "FILE", "write the numbers to this file as well"),
       path_option("predictions", options.predictions, "FILE.csv",
                   "write a line for each image: its file, class, prediction, probabilities"),
       integer_option("top", options.top, 1, 1000, "of --predictions: how many classes of each image"),
       path_option("confusion-csv", options.confusion_csv, "FILE", "write the confusion matrix as a table"),
       path_option("confusion-png", options.confusion_png, "FILE.png", "draw the confusion matrix"),
       progress_option(options.progress,
                       "live: a line that is drawn over itself; plain: a line now and then; none: nothing; auto: live "
                       "on a terminal, nothing elsewhere")}};
  const std::vector<Option> tta = tta_options(options.tta);
  group.options.insert(group.options.begin() + 1, tta.begin(), tta.end());
  return group;
}

OptionGroup eval_configuration(TrainConfig& config) {
  static const std::vector<std::string> names{
      "dataset",     "data",        "test-images", "allow-partial", "fit",        "broken-files",    "train-folder",
      "test-folder", "test-choice", "data-cache",  "mean",          "std",        "eval-batch-size", "prefetch",
      "precision",   "plan",        "layout",      "threads",       "pin-threads"};
  return select_options(config_options(config), "Configuration (a run's own unless given here)", names);
}

/// Of weights that don't say, an earlier release's.
TestChoice test_choice(const CheckpointInfo& info) {
  const auto found = info.data.find("test_choice");
  return found != info.data.end() && found->second == "name" ? TestChoice::name : TestChoice::path;
}

/// A run gives its configuration; a weights file elsewhere says itself what it was trained on.
void take_settings(const GivenWeights& weights, TrainConfig& config) {
  const CheckpointInfo& info = weights.info;
  if (weights.run) {
    config = read_run_config(*weights.run);
    require_model(weights.path, info.model, config.model);
  } else {
    config.dataset = info.dataset;  // empty if it doesn't say
    config.mean = info.mean;
    config.std = info.std;
    if (info.fit == "stretch") config.fit = Fit::stretch;
    config.test_choice = test_choice(info);
  }
  config.image_size = task_of(info.model).image_size;
}

/// Throws Error (usage) unless a run says which images it held out.
void require_holdout(const GivenWeights& weights, const TrainConfig& config) {
  if (!weights.run)
    fail_usage("--split holdout: {} lies in no run folder, which would say which images were held out",
               weights.path.string());
  if (!config.holdout.is_on())
    fail_usage("--split holdout: {} held no images out; convmixer train --holdout does", weights.run->path.string());
}

/// A line for what isn't as it was when the weights were trained. `images` are all of the split that is opened.
void print_differences(const GivenWeights& weights, const TrainConfig& config, const Dataset& images,
                       EvaluatedSplit split) {
  if (weights.info.data.empty()) return;
  const std::string change = change_since_training(weights.info, split, images);
  if (!change.empty()) print_format("note: the data isn't that of the training: {}\n", change);
  const Normalisation own = images.normalisation();
  const bool decided_by_files = config.dataset == kFolderDataset || config.dataset == kPackedDataset;
  if (decided_by_files && (own.mean != config.mean || own.std != config.std)) {
    print_format(
        "note: images are normalised by the run's mean {:.4f} and std {:.4f}; the data's own are {:.4f} and {:.4f}\n",
        fmt::join(config.mean, ","), fmt::join(config.std, ","), fmt::join(own.mean, ","), fmt::join(own.std, ","));
  }
}

void write_json(const fs::path& path, const GivenWeights& weights, const TrainConfig& config,
                const EvalCommandOptions& options, const Evaluation& evaluation, double seconds,
                const std::vector<std::string>& classes) {
  nlohmann::ordered_json result{{"weights", to_utf8(weights.path.native())},
                                {"epoch", weights.info.epoch},
                                {"step", weights.info.step},
                                {"dataset", config.dataset},
                                {"split", name_of(options.split)},
                                {"precision", config.precision},
                                {"tta", name_of(options.tta.augmentation)},
                                {"tta_below", options.tta.views().below},
                                {"tta_images", evaluation.looked_again},
                                {"seconds", seconds}};
  add_evaluation(result, evaluation, classes);
  write_file_atomically(path, result.dump(2) + "\n");
}

/// The configuration of the weights' training, with what the command line says instead.
TrainConfig configuration(const GivenWeights& weights, const CommandLine& line) {
  TrainConfig config;
  EvalCommandOptions ignored;
  take_settings(weights, config);
  if (const std::string* const data = line.find("data"); data != nullptr) take_data(*data, config);
  assign(std::vector<OptionGroup>{command_group(ignored), eval_configuration(config)}, line.settings);
  if (config.dataset.empty()) {
    if (config.data.empty()) {
      fail_usage("{} doesn't say what data it was trained on: give --data or --dataset", weights.path.string());
    }
    config.dataset = "auto";
  }
  if (line.find("data") == nullptr) require_data({line.arguments.front()}, config);
  recognise_dataset(config);
  refuse_idle_settings(config, line.settings);
  return config;
}

/// Writes the files that are asked for, and says which.
void write_files(const EvalCommandOptions& options, const GivenWeights& weights, const TrainConfig& config,
                 const Evaluation& evaluation, double seconds, const Dataset& images,
                 const PredictionsFile& predictions) {
  const std::vector<std::string>& classes = images.class_names();
  const std::string title =
      fmt::format("{}: top-1 {:.2f}% of {} {}", printable(weights.path.native()), 100.0 * evaluation.total.accuracy(),
                  with_commas(evaluation.total.images), plural(evaluation.total.images, "image"));
  if (!options.json.empty()) write_json(options.json, weights, config, options, evaluation, seconds, classes);
  if (!options.predictions.empty()) predictions.write(options.predictions);
  if (!options.confusion_csv.empty()) write_confusion_csv(options.confusion_csv, evaluation.scores, classes);
  if (!options.confusion_png.empty()) draw_confusion_matrix(options.confusion_png, evaluation.scores, classes, title);
  std::string written;
  for (const OutputFile& output : options.outputs())
    if (!output.path.empty())
      written += fmt::format("{}{}", written.empty() ? "" : ", ", printable(output.path.native()));
  if (!written.empty()) print_format("\nwrote {}\n", written);
}

/// What is evaluated, and how.
void print_heading(const GivenWeights& weights, const TrainConfig& config, const EvalCommandOptions& options,
                   const ThreadCount& threads) {
  const CheckpointInfo& info = weights.info;  // other programs' files don't say how far they were trained
  const std::string averaged = info.averaged.empty() ? "" : fmt::format(", averaged ({})", info.averaged);
  print_format("{}: {}{}\n{} {} images, {}, {}{}{}{}\n", printable(weights.path.native()), describe(info.model),
               info.step == 0 ? "" : fmt::format(", after epoch {}, step {}{}", info.epoch, info.step, averaged),
               config.dataset, options.split == EvaluatedSplit::holdout ? "held-out" : "test", config.precision,
               counted(threads.count, "thread"), config.pin_threads ? ", pinned" : "",
               threads.warning.empty() ? "" : fmt::format(" ({})", threads.warning), describe_views(options.tta));
}

}  // namespace

CommandHelp eval_help() {
  TrainConfig config;
  EvalCommandOptions options;
  const std::vector<OptionGroup> groups{command_group(options), eval_configuration(config)};
  return command_help(
      "usage: convmixer eval RUN_FOLDER_OR_WEIGHTS_FILE [--option value ...]\n\n"
      "Loss, top-1, top-5, calibration, each class's precision, recall and F1, and what is taken for what, on the\n"
      "test images, or with --split holdout on those that a run held out. The settings are those of the run, so that\n"
      "the numbers are those of its training log. Weights in timm's format that don't say what data they are for\n"
      "need --data or --dataset.\n",
      groups);
}

int eval_command(std::span<const std::string> words) {
  TrainConfig defaults;
  EvalCommandOptions options;
  const CommandLine line =
      parse_command_line(std::vector<OptionGroup>{command_group(options), eval_configuration(defaults)}, words);
  if (line.arguments.size() != 1) {
    fail_usage("expected one run folder or weights file, found {}; see 'convmixer help eval'", line.arguments.size());
  }
  assign(std::vector<OptionGroup>{command_group(options), eval_configuration(defaults)}, line.settings);
  require_showable(options.progress, stderr, "standard error", false);
  if (line.find("top") != nullptr && options.predictions.empty()) fail_usage("--top: needs --predictions FILE.csv");
  const GivenWeights weights = find_weights(line.arguments.front(), options.checkpoint);
  TrainConfig config = configuration(weights, line);
  require_outputs(options.outputs(), {weights.path, config.data});
  if (!options.confusion_png.empty()) check_drawable(task_of(weights.info.model).classes);
  if (options.split == EvaluatedSplit::holdout) require_holdout(weights, config);
  const EvaluationImages evaluated(config, options.split, weights.path, weights.info,
                                   [](const std::string& note) { print_line(note); });
  const Dataset& images = evaluated.images();
  resolve(config, images);

  const ThreadCount threads = choose_thread_count(config.threads);
  ThreadPool pool(threads.count, thread_pinning(config));
  Engine engine(pool);
  Network network(make_graph(weights.info.model), choose_precision(config.precision), engine, config.layout,
                  config.plan);
  load_weights(weights.path, network.parameters());
  Loader loader(images, loader_options(config, Split::test), pool);
  // What doesn't go together is refused before anything is printed.
  check_fits(network, loader);
  network.plan(std::min(config.eval_batch_size, images.size()), PlanMode::inference);

  print_heading(weights, config, options, threads);
  print_differences(weights, config, evaluated.all(), options.split);
  PredictionsFile predictions(images, static_cast<std::size_t>(options.top));
  EvaluationOptions evaluation_options{.views = options.tta.views()};
  if (!options.predictions.empty()) {
    evaluation_options.each_batch = [&](std::span<const float> logits, std::span<const std::int32_t> labels) {
      predictions.add(logits, labels);
    };
  }
  RunningClock clock;
  const double start = clock.seconds();
  LiveLine progress(options.progress, [&] { return clock.seconds(); });
  evaluation_options.go_on = [&](std::int64_t done) {
    progress.update([&] {
      return fmt::format("{} of {} images  {:.0f} images/s", with_commas(done), with_commas(images.size()),
                         static_cast<double>(done) / std::max(clock.seconds() - start, 1e-9));
    });
    return true;
  };
  const Evaluation evaluation = evaluate(network, loader, evaluation_options);
  progress.clear();
  const double seconds = clock.seconds() - start;
  if (options.tta.views().are_of_some_images())
    print_format("{}\n", describe_looks(evaluation.looked_again, evaluation.total.images));
  print("\n" + format_evaluation(evaluation, images.class_names(), seconds, detect_terminal(stdout)));
  write_files(options, weights, config, evaluation, seconds, images, predictions);
  return 0;
}

}  // namespace convmixer::tool
