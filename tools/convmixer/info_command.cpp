#include "commands.hpp"
#include "convmixer/core/error.hpp"
#include "convmixer/core/plural.hpp"
#include "convmixer/data/open_dataset.hpp"
#include "convmixer/model/network.hpp"
#include "convmixer/train/image_size_schedule.hpp"
#include "convmixer/train/option_parser.hpp"
#include "estimate_report.hpp"
#include "report.hpp"

#include <algorithm>

namespace convmixer::tool {
namespace {

struct InfoCommandOptions {
  std::filesystem::path config;
  bool primitives = false;
  bool estimate = false;
  EstimateLimits limits;
};

OptionGroup command_group(InfoCommandOptions& options) {
  return {"Command",
          {path_option("config", options.config, "FILE", "configuration; options given here win over it"),
           switch_option("primitives", options.primitives, "list the primitives of a training step"),
           switch_option("estimate", options.estimate,
                         "measure some steps: how fast a training goes and how much memory it takes, in f32 and bf16; "
                         "with --data, or data that needs no files, loading and augmentation included"),
           estimate_seconds_option(options.limits)}};
}

/// The keys that decide what a step takes.
OptionGroup info_configuration(TrainConfig& config) {
  std::vector<std::string> names = model_option_names();
  for (const char* name :
       {"dataset",       "data",       "train-images", "test-images",     "holdout",     "fit",       "broken-files",
        "data-cache",    "batch-size", "micro-batch",  "eval-batch-size", "drop-last",   "optimizer", "epochs",
        "eval-interval", "precision",  "plan",         "layout",          "image-sizes", "ema-decay", "threads",
        "pin-threads"}) {
    names.emplace_back(name);
  }
  return select_options(config_options(config), "Configuration", names);
}

std::string supported_precisions() {
  if (Engine::has_instructions(Precision::bf16)) return "f32, bf16";
  return Engine::supports(Precision::bf16) ? "f32; bf16 in fused plans, by the instructions for f32" : "f32";
}

void print_primitives(const Plan& plan) {
  const std::vector<PlannedStep> steps = plan.steps();
  std::size_t node = 0;
  std::size_t operation = 0;
  for (const PlannedStep& step : steps) {
    node = std::max(node, step.node.size());
    operation = std::max(operation, step.operation.size());
  }
  print("\nprimitives of a training step, in order: node, operation, direction, layout, implementation\n");
  for (const PlannedStep& step : steps) {
    print_format("  {:<{}}  {:<{}}  {:<16}  {:<8}  {}\n", step.node, node, step.operation, operation, step.direction,
                 step.layout, step.implementation);
  }
}

/// Returns the precision that a training with it takes.
PrecisionChoice print_configuration(TrainConfig& config, const InfoCommandOptions& options, Engine& engine) {
  constexpr int kImageSize = 32;  // of every data set but people's own
  constexpr int kColours = 3;
  recognise_dataset(config);
  std::optional<int> classes = known_classes(config.dataset);
  if (!classes) {
    const auto note = [](const std::string& text) { print_line(text); };
    const auto train = open_dataset(dataset_options(config, Split::train, note), Split::train);
    classes = train->classes();
    config.image_size = train->image_size();
  }
  if (config.image_size == 0) config.image_size = kImageSize;
  const ModelConfig model = model_config(config, kColours, *classes);
  check_image_sizes(config, model);
  PrecisionChoice choice = choose_precision(config, kColours, *classes, engine);
  Network network(make_graph(model), choice.precision, engine, config.layout, config.plan);
  network.set_micro_batch(config.micro_batch);
  const Graph& graph = network.graph();
  Rows rows = model_rows(model, graph);
  for (auto& row : image_size_rows(config, model)) rows.push_back(std::move(row));
  const Plan& training = network.plan_training(config.batch_size);
  rows.emplace_back("precision", fmt::format("{} ({})", to_string(choice.precision), choice.reason));
  rows.emplace_back("plan", describe_plan(training));
  rows.emplace_back("training", fmt::format("{} a step, {}", counted(config.batch_size, "image"),
                                            describe(training.memory(), values_in_training(graph, config),
                                                     optimizer_bytes(network, config, engine.pool().threads()))));
  for (const auto& row : micro_batch_rows(config, config.batch_size)) rows.push_back(row);
  const Plan& evaluation = network.plan(config.eval_batch_size, PlanMode::inference);
  rows.emplace_back("evaluation", fmt::format("{} at once, {}", counted(config.eval_batch_size, "image"),
                                              describe(evaluation.memory(), parameter_count(graph))));
  print("\n" + format_rows(rows, false));
  if (options.primitives) print_primitives(training);
  return choice;
}

/// With --estimate.
void print_estimate_of(TrainConfig config, const PrecisionChoice& choice, const EstimateLimits& limits,
                       Engine& engine) {
  config.precision = to_string(choice.precision);
  const auto print_lines = [](const std::string& text) { print(text + "\n"); };
  if (config.data.empty() && known_size(config.dataset)) {
    const EstimateData data = data_without_files(config);
    print_estimate(config, choice, data, {}, limits, engine, print_lines, false);
    return;
  }
  const auto note = each_once([](const std::string& text) { print_line(text); });
  const auto train = open_dataset(dataset_options(config, Split::train, note), Split::train);
  const auto test = open_dataset(dataset_options(config, Split::test, note), Split::test);
  resolve(config, *train);
  print_estimate(config, choice, data_of(*train, *test), {}, limits, engine, print_lines, false);
}

}  // namespace

CommandHelp info_help() {
  TrainConfig config;
  InfoCommandOptions options;
  const std::vector<OptionGroup> groups{command_group(options), info_configuration(config)};
  return command_help(
      "usage: convmixer info [--config FILE] [--option value ...]\n\n"
      "What this machine is, how many threads a training will use and why. With a configuration, by --config or by\n"
      "any of its keys, also parameters, FLOPs of an image and planned memory; with --estimate how long a training\n"
      "with it takes.\n",
      groups);
}

int info_command(std::span<const std::string> words) {
  TrainConfig config;
  InfoCommandOptions options;
  const std::vector<OptionGroup> own{command_group(options)};
  const std::vector<OptionGroup> groups{own.front(), info_configuration(config)};
  const CommandLine line = parse_command_line(groups, words);
  if (!line.arguments.empty()) fail_usage("unexpected '{}'", line.arguments.front());
  assign(own, line.settings);
  if (line.find("estimate-seconds") != nullptr && !options.estimate) fail_usage("--estimate-seconds: needs --estimate");
  if (!options.config.empty()) config = read_config(options.config);
  assign(groups, line.settings);
  const ThreadCount threads = choose_thread_count(config.threads);
  ThreadPool pool(threads.count, thread_pinning(config));
  Engine engine(pool);
  Rows rows = machine_rows(threads, engine);
  rows.emplace_back("precisions", supported_precisions());
  print("convmixer " CONVMIXER_VERSION "\n" + format_rows(rows, false));
  const bool machine_only = std::all_of(line.settings.begin(), line.settings.end(),
                                        [](const Assignment& setting) { return setting.key == "threads"; });
  if (machine_only) {
    print(
        "\nwith --config FILE, or any of its keys: what a network takes; with --estimate too: how long its training "
        "takes\n");
    return 0;
  }
  const PrecisionChoice choice = print_configuration(config, options, engine);
  if (options.estimate) {
    print("\n");
    print_estimate_of(config, choice, options.limits, engine);
  }
  return 0;
}

}  // namespace convmixer::tool
