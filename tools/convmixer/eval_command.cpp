#include "commands.hpp"
#include "convmixer/checkpoint/checkpoint.hpp"
#include "convmixer/core/error.hpp"
#include "convmixer/core/file.hpp"
#include "convmixer/core/printable.hpp"
#include "convmixer/core/running_clock.hpp"
#include "convmixer/data/open_dataset.hpp"
#include "convmixer/model/model_file.hpp"
#include "convmixer/train/evaluate.hpp"
#include "convmixer/train/option_parser.hpp"
#include "convmixer/train/run_config.hpp"
#include "convmixer/train/run_folder.hpp"
#include "report.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace convmixer::tool {
namespace {

namespace fs = std::filesystem;

struct CommandOptions {
  fs::path checkpoint = "best";
  fs::path json;
};

OptionGroup command_group(CommandOptions& options) {
  return {
      "Command",
      {path_option("checkpoint", options.checkpoint, "NAME", "weights of a run folder: best, last, or another file"),
       path_option("json", options.json, "FILE", "write the numbers to this file as well")}};
}

OptionGroup configuration_group(TrainConfig& config) {
  static const std::vector<std::string> names{
      "dataset",     "data",        "test-images", "allow-partial", "fit",        "broken-files",    "train-folder",
      "test-folder", "test-choice", "data-cache",  "mean",          "std",        "eval-batch-size", "prefetch",
      "precision",   "plan",        "layout",      "threads",       "pin-threads"};
  return select_options(config_options(config), "Configuration (a run's own unless given here)", names);
}

/// Weights to evaluate, and what they say about themselves.
struct Subject {
  fs::path weights;
  CheckpointInfo info;
};

fs::path weights_of(const RunFolder& folder, const fs::path& checkpoint) {
  if (checkpoint != "best" && checkpoint != "last") return checkpoint;
  fs::path weights = checkpoint == "best" ? folder.best() : folder.last();
  std::error_code ignored;  // what is wrong with the path shows when it is read
  if (!fs::exists(weights, ignored) && !ignored)
    fail("{}: not there yet: it is written at the end of an epoch", weights.string());
  return weights;
}

/// A run folder gives its configuration, so does the run folder that a weights file lies in; a weights file elsewhere
/// says itself what it was trained on.
Subject find_subject(const fs::path& argument, const CommandOptions& options, TrainConfig& config) {
  std::error_code ignored;  // what is wrong with the path shows when it is read
  const bool is_folder = fs::is_directory(argument, ignored);
  const RunFolder folder{is_folder ? argument : argument.parent_path()};
  const bool has_config = fs::exists(folder.config(), ignored);
  Subject subject{argument, {}};
  if (is_folder) {
    if (!has_config) fail_usage("{}: no run folder: it has no config.ini", argument.string());
    subject.weights = weights_of(folder, options.checkpoint);
  }
  subject.info = read_checkpoint_info(subject.weights);
  if (has_config) {
    config = read_run_config(folder);
    require_model(subject.weights, subject.info.model, config.model);
  } else {
    config.dataset = subject.info.dataset;  // empty if it doesn't say
    config.mean = subject.info.mean;
    config.std = subject.info.std;
  }
  config.image_size = task_of(subject.info.model).image_size;
  return subject;
}

double percent(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? 0.0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

void print_evaluation(const Evaluation& evaluation, const std::vector<std::string>& classes, double seconds) {
  const BatchResult& total = evaluation.total;
  print_format("\n  loss {:.4f}  top-1 {:.2f}%  top-5 {:.2f}%  ({} images, {:.0f} images/s)\n\n", total.loss(),
               100.0 * total.accuracy(), 100.0 * total.accuracy_top5(), with_commas(total.images),
               static_cast<double>(total.images) / std::max(seconds, 1e-9));
  std::size_t width = 5;
  std::vector<std::string> names;
  for (const std::string& name : classes) width = std::max(width, names.emplace_back(printable(name)).size());
  print_format("  {:<{}}  images  correct  accuracy\n", "class", width);
  for (std::size_t i = 0; i < classes.size(); ++i) {
    print_format("  {:<{}}  {:>6}  {:>7}  {:>7.2f}%\n", names[i], width, evaluation.class_images[i],
                 evaluation.class_correct[i], percent(evaluation.class_correct[i], evaluation.class_images[i]));
  }
}

void write_json(const fs::path& path, const Subject& subject, const TrainConfig& config, const Evaluation& evaluation,
                const std::vector<std::string>& classes) {
  nlohmann::ordered_json result{{"weights", to_utf8(subject.weights.native())},
                                {"epoch", subject.info.epoch},
                                {"step", subject.info.step},
                                {"dataset", config.dataset},
                                {"precision", config.precision},
                                {"images", evaluation.total.images},
                                {"loss", evaluation.total.loss()},
                                {"accuracy", evaluation.total.accuracy()},
                                {"top5", evaluation.total.accuracy_top5()},
                                {"classes", nlohmann::ordered_json::array()}};
  for (std::size_t i = 0; i < classes.size(); ++i) {
    result["classes"].push_back({{"name", to_utf8(classes[i])},
                                 {"images", evaluation.class_images[i]},
                                 {"correct", evaluation.class_correct[i]}});
  }
  write_file_atomically(path, result.dump(2) + "\n");
}

}  // namespace

std::string eval_help() {
  TrainConfig config;
  CommandOptions options;
  const std::vector<OptionGroup> groups{command_group(options), configuration_group(config)};
  return "usage: convmixer eval RUN_FOLDER_OR_WEIGHTS_FILE [--option value ...]\n\n"
         "Loss, top-1, top-5 and each class's accuracy on the test images. The settings are those of the run, so that\n"
         "the numbers are those of its training log. Weights in timm's format that don't say what data they are for\n"
         "need --data or --dataset.\n" +
         describe_options(groups);
}

int eval_command(std::span<const std::string> words) {
  TrainConfig config;
  CommandOptions options;
  const std::vector<OptionGroup> groups{command_group(options), configuration_group(config)};
  const CommandLine line = parse_command_line(groups, words);
  if (line.arguments.size() != 1) {
    fail_usage("expected one run folder or weights file, found {}; see 'convmixer help eval'", line.arguments.size());
  }
  assign(groups, line.settings);
  const Subject subject = find_subject(line.arguments.front(), options, config);
  assign(groups, line.settings);
  if (config.dataset.empty()) {
    if (config.data.empty()) {
      fail_usage("{} doesn't say what data it was trained on: give --data or --dataset", subject.weights.string());
    }
    config.dataset = "auto";
  }
  if (line.find("data") == nullptr) require_data({line.arguments.front()}, config);
  recognise_dataset(config);
  const auto test = open_dataset(
      dataset_options(config, Split::test, [](const std::string& note) { print_line(note); }), Split::test);
  if (const int classes = task_of(subject.info.model).classes; test->classes() != classes) {
    fail_usage("{} tells {} classes apart, but {} has {}", subject.weights.string(), classes, config.dataset,
               test->classes());
  }
  resolve(config, *test);

  const ThreadCount threads = choose_thread_count(config.threads);
  ThreadPool pool(threads.count, thread_pinning(config));
  Engine engine(pool);
  Network network(make_graph(subject.info.model), choose_precision(config.precision), engine, config.layout,
                  config.plan);
  load_weights(subject.weights, network.parameters());
  Loader loader(*test, loader_options(config, Split::test), pool);

  print_format("{}: {}, after epoch {}, step {}\n{} test images, {}, {} threads{}{}\n",
               printable(subject.weights.native()), describe(subject.info.model), subject.info.epoch, subject.info.step,
               config.dataset, config.precision, threads.count, config.pin_threads ? ", pinned" : "",
               threads.warning.empty() ? "" : fmt::format(" ({})", threads.warning));
  RunningClock clock;
  const double start = clock.seconds();
  const Evaluation evaluation = evaluate(network, loader);
  print_evaluation(evaluation, test->class_names(), clock.seconds() - start);
  if (!options.json.empty()) write_json(options.json, subject, config, evaluation, test->class_names());
  return 0;
}

}  // namespace convmixer::tool
