#include "commands.hpp"
#include "convmixer/checkpoint/checkpoint.hpp"
#include "convmixer/core/error.hpp"
#include "convmixer/core/file.hpp"
#include "convmixer/core/plural.hpp"
#include "convmixer/core/printable.hpp"
#include "convmixer/core/running_clock.hpp"
#include "convmixer/data/data_identity.hpp"
#include "convmixer/data/open_dataset.hpp"
#include "convmixer/data/relabel.hpp"
#include "convmixer/model/model_file.hpp"
#include "convmixer/train/evaluate.hpp"
#include "convmixer/train/option_parser.hpp"
#include "convmixer/train/run_config.hpp"
#include "given_weights.hpp"
#include "report.hpp"

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <memory>

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

/// The images under the labels that the weights know their classes by; nothing if those are the data's own.
std::unique_ptr<Dataset> under_labels_of(const GivenWeights& weights, const Dataset& test, const std::string& dataset) {
  const std::vector<std::string>& names = weights.info.class_names;
  if (names.empty()) {
    if (const int classes = task_of(weights.info.model).classes; test.classes() != classes) {
      fail_usage("{} tells {} apart, but {} has {}", weights.path.string(), counted(classes, "class", "classes"),
                 dataset, test.classes());
    }
    return nullptr;
  }
  if (storable_names(test.class_names()) == names) return nullptr;
  try {
    auto relabelled = relabel(test, names);
    print_format("note: labels are matched by the classes' names: the data has {}, the weights know {}\n",
                 list_class_names(test.class_names()), list_class_names(names));
    return relabelled;
  } catch (const Error& error) {
    fail_usage("{}: {}; give the data's classes the names that the weights know them by", weights.path.string(),
               error.what());
  }
}

/// A line for what isn't as it was when the weights were trained.
void print_differences(const GivenWeights& weights, const TrainConfig& config, const Dataset& images) {
  std::map<std::string, std::string> text = weights.info.data;
  text["class_names"] = nlohmann::json(weights.info.class_names).dump();
  const auto trained = identity_from(text);
  if (!trained) return;
  const std::string change = describe_change(trained->test, identify(images), trained->class_names, "test");
  if (!change.empty()) print_format("note: the data isn't that of the training: {}\n", change);
  const Normalisation own = images.normalisation();
  const bool decided_by_files = config.dataset == kFolderDataset || config.dataset == kPackedDataset;
  if (decided_by_files && (own.mean != config.mean || own.std != config.std)) {
    print_format(
        "note: images are normalised by the run's mean {:.4f} and std {:.4f}; the data's own are {:.4f} and {:.4f}\n",
        fmt::join(config.mean, ","), fmt::join(config.std, ","), fmt::join(own.mean, ","), fmt::join(own.std, ","));
  }
}

double percent(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? 0.0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

void print_evaluation(const Evaluation& evaluation, const std::vector<std::string>& classes, double seconds) {
  const BatchResult& total = evaluation.total;
  print_format("\n  loss {:.4f}  top-1 {:.2f}%  top-5 {:.2f}%  ({} {}, {:.0f} images/s)\n\n", total.loss(),
               100.0 * total.accuracy(), 100.0 * total.accuracy_top5(), with_commas(total.images),
               plural(total.images, "image"), static_cast<double>(total.images) / std::max(seconds, 1e-9));
  std::size_t width = 5;
  std::vector<std::string> names;
  for (const std::string& name : classes) width = std::max(width, names.emplace_back(printable(name)).size());
  print_format("  {:<{}}  images  correct  accuracy\n", "class", width);
  for (std::size_t i = 0; i < classes.size(); ++i) {
    print_format("  {:<{}}  {:>6}  {:>7}  {:>7.2f}%\n", names[i], width, evaluation.class_images[i],
                 evaluation.class_correct[i], percent(evaluation.class_correct[i], evaluation.class_images[i]));
  }
}

void write_json(const fs::path& path, const GivenWeights& weights, const TrainConfig& config,
                const Evaluation& evaluation, const std::vector<std::string>& classes) {
  nlohmann::ordered_json result{{"weights", to_utf8(weights.path.native())},
                                {"epoch", weights.info.epoch},
                                {"step", weights.info.step},
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

CommandHelp eval_help() {
  TrainConfig config;
  CommandOptions options;
  const std::vector<OptionGroup> groups{command_group(options), configuration_group(config)};
  return command_help(
      "usage: convmixer eval RUN_FOLDER_OR_WEIGHTS_FILE [--option value ...]\n\n"
      "Loss, top-1, top-5 and each class's accuracy on the test images. The settings are those of the run, so that\n"
      "the numbers are those of its training log. Weights in timm's format that don't say what data they are for\n"
      "need --data or --dataset.\n",
      groups);
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
  if (!options.json.empty()) require_writable(options.json);
  const GivenWeights weights = find_weights(line.arguments.front(), options.checkpoint);
  take_settings(weights, config);
  assign(groups, line.settings);
  if (config.dataset.empty()) {
    if (config.data.empty()) {
      fail_usage("{} doesn't say what data it was trained on: give --data or --dataset", weights.path.string());
    }
    config.dataset = "auto";
  }
  if (line.find("data") == nullptr) require_data({line.arguments.front()}, config);
  recognise_dataset(config);
  const auto test = open_dataset(
      dataset_options(config, Split::test, [](const std::string& note) { print_line(note); }), Split::test);
  const auto relabelled = under_labels_of(weights, *test, config.dataset);
  const Dataset& images = relabelled ? *relabelled : *test;
  resolve(config, images);

  const ThreadCount threads = choose_thread_count(config.threads);
  ThreadPool pool(threads.count, thread_pinning(config));
  Engine engine(pool);
  Network network(make_graph(weights.info.model), choose_precision(config.precision), engine, config.layout,
                  config.plan);
  load_weights(weights.path, network.parameters());
  Loader loader(images, loader_options(config, Split::test), pool);

  print_format("{}: {}, after epoch {}, step {}\n{} test images, {}, {}{}{}\n", printable(weights.path.native()),
               describe(weights.info.model), weights.info.epoch, weights.info.step, config.dataset, config.precision,
               counted(threads.count, "thread"), config.pin_threads ? ", pinned" : "",
               threads.warning.empty() ? "" : fmt::format(" ({})", threads.warning));
  print_differences(weights, config, images);
  RunningClock clock;
  const double start = clock.seconds();
  const Evaluation evaluation = evaluate(network, loader);
  print_evaluation(evaluation, images.class_names(), clock.seconds() - start);
  if (!options.json.empty()) write_json(options.json, weights, config, evaluation, images.class_names());
  return 0;
}

}  // namespace convmixer::tool
