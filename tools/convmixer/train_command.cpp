#include "commands.hpp"
#include "convmixer/core/cpu.hpp"
#include "convmixer/core/error.hpp"
#include "convmixer/core/file.hpp"
#include "convmixer/core/plural.hpp"
#include "convmixer/core/printable.hpp"
#include "convmixer/data/open_dataset.hpp"
#include "convmixer/model/freeze.hpp"
#include "convmixer/train/duration.hpp"
#include "convmixer/train/initial_weights.hpp"
#include "convmixer/train/option_parser.hpp"
#include "convmixer/train/precision_choice.hpp"
#include "convmixer/train/progress.hpp"
#include "convmixer/train/run_config.hpp"
#include "convmixer/train/run_length.hpp"
#include "convmixer/train/step_profiler.hpp"
#include "convmixer/train/stop_signal.hpp"
#include "convmixer/train/trainer.hpp"
#include "estimate_report.hpp"
#include "given_weights.hpp"
#include "report.hpp"

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>

namespace convmixer::tool {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLongestNote = 20'000;

/// The options of the command itself: they are no keys of a configuration.
struct CommandOptions {
  fs::path config;
  fs::path resume;
  bool fresh = false;
  bool allow_changed_data = false;
  int extend = 0;
  bool dry_run = false;
  EstimateLimits estimate;
  ProfileOptions profile;
};

OptionGroup command_group(CommandOptions& options) {
  return {
      "Command",
      {path_option("config", options.config, "FILE", "configuration; options given here win over it"),
       path_option("resume", options.resume, "FOLDER", "go on with this run, by its own configuration"),
       switch_option("fresh", options.fresh, "begin anew; a run in the folder is kept, as FOLDER.1 or so"),
       switch_option("allow-changed-data", options.allow_changed_data,
                     "go on with a run although its images aren't what they were"),
       integer_option("extend", options.extend, 0, 1'000'000,
                      "train a finished run, by --resume or --out, for so many epochs more than it was planned for, at "
                      "its last learning rate; 0: don't"),
       switch_option("dry-run", options.dry_run,
                     "look at options, data and run folder as for a training, measure some steps, say how long it will "
                     "take, and end; writes nothing but decoded images into --data-cache"),
       estimate_seconds_option(options.estimate),
       path_option("profile", options.profile.file, "FILE",
                   "record a window of steps: a table by operation, and a trace of all threads in FILE (JSON) for "
                   "ui.perfetto.dev and chrome://tracing"),
       integer_option("profile-skip", options.profile.skip, 0, 1'000'000'000, "steps before the window, to warm up"),
       integer_option("profile-steps", options.profile.steps, 1, 10'000, "steps in the window")}};
}

void check_command_options(const CommandLine& line, const CommandOptions& options) {
  if (!line.arguments.empty()) {
    const std::string& word = line.arguments.front();
    fail_usage("unexpected '{}'{}", word,
               word.ends_with(".ini") ? fmt::format("; did you mean --config {}?", word) : "");
  }
  for (const char* window : {"profile-skip", "profile-steps"}) {
    if (line.find(window) != nullptr && options.profile.file.empty()) fail_usage("--{}: needs --profile FILE", window);
  }
  if (options.extend > 0 && options.fresh) fail_usage("--extend and --fresh don't go together");
  if (options.resume.empty()) return;
  for (const char* other : {"config", "out", "fresh"}) {
    if (line.find(other) != nullptr) fail_usage("--resume and --{} don't go together", other);
  }
  const RunFolder folder{options.resume};
  std::error_code error;
  if (!fs::exists(folder.config(), error)) {
    if (error) fail("{}: {}", folder.config().string(), error.message());
    fail_usage("{}: no run to go on with: it has no {}", folder.path.string(), folder.config().filename().string());
  }
}

/// A run that goes on keeps its plan, its test images and the epochs it was extended by unless told otherwise: its bits
/// depend on them, but no setting would be refused. What `auto` chose for its precision it keeps as well. What its
/// images are normalised by it keeps too where the run knows its data, which is then compared itself; and all that it
/// took from the weights that it began with, whose file it needs no more.
void keep_from_run(const RunFolder& folder, std::span<const Assignment> settings, TrainConfig& config) {
  std::error_code ignored;
  if (!fs::exists(folder.state(), ignored) || !fs::exists(folder.config(), ignored)) return;
  const auto is_given = [&](const std::string& key) {
    return std::ranges::any_of(settings, [&](const Assignment& setting) { return setting.key == key; });
  };
  const TrainConfig before = read_run_config(folder);
  if (!is_given("plan")) config.plan = before.plan;
  const bool has_precision = before.precision == "f32" || Engine::supports(Precision::bf16);
  if (config.precision == "auto" && has_precision) config.precision = before.precision;
  if (!is_given("test-choice")) config.test_choice = before.test_choice;
  const bool knows_data = fs::exists(folder.data());
  if (knows_data && !is_given("mean")) config.mean = before.mean;
  if (knows_data && !is_given("std")) config.std = before.std;
  if (!is_given("init")) config.init = before.init;
  if (!config.init.empty() && !before.init.empty()) {
    if (std::ranges::none_of(model_option_names(), is_given)) config.model = before.model;
    if (!is_given("image-size")) config.image_size = before.image_size;
    if (!is_given("fit")) config.fit = before.fit;
  }
  if (!is_given("cooldown-epochs") && before.schedule == config.schedule)
    config.cooldown_epochs = before.cooldown_epochs;
}

/// A new run begins with these weights. Of a run folder, they are its best.
void take_initial_weights(std::span<const Assignment> settings, bool goes_on, TrainConfig& config) {
  std::error_code ignored;
  if (goes_on) {  // only which file it was is asked
    if (fs::is_directory(config.init, ignored)) config.init = RunFolder{config.init}.best();
    return;
  }
  const GivenWeights weights = find_weights(config.init);
  config.init = weights.path;
  take_settings(config, weights.info, settings);
}

/// With --extend.
void extend_run(const RunFolder& folder, int more_epochs, TrainConfig& config) {
  if (!folder.holds_state()) fail_usage("--extend: {} holds no run to extend", folder.path.string());
  try {
    extend(config, read_training_position(folder.state()).epoch, more_epochs);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::usage) throw;
    fail_usage("--extend: {}: {}", folder.path.string(), error.what());
  }
}

/// Configuration file first, then the command line.
TrainConfig read_settings(std::span<const std::string> words, CommandOptions& options) {
  TrainConfig config;
  const std::vector<OptionGroup> keys = config_options(config);
  const std::vector<OptionGroup> own{command_group(options)};
  std::vector<OptionGroup> all = own;
  all.insert(all.end(), keys.begin(), keys.end());
  const CommandLine line = parse_command_line(all, words);
  assign(own, line.settings);
  check_command_options(line, options);

  if (!options.resume.empty()) {
    config = read_run_config({options.resume});
    assign(keys, line.settings);
    config.out = options.resume;
    if (line.find("data") == nullptr) require_data({config.out}, config);
    if (options.extend > 0) extend_run({config.out}, options.extend, config);
    return config;
  }
  const fs::path& file = options.config;
  std::vector<Assignment> settings;
  if (!file.empty()) settings = parse_ini_file(keys, file);
  settings.insert(settings.end(), line.settings.begin(), line.settings.end());
  assign(keys, settings);
  recognise_dataset(config);
  if (config.out.empty()) config.out = fs::path("runs") / (file.empty() ? config.dataset : file.stem().string());
  if (!options.fresh) keep_from_run({config.out}, settings, config);
  if (!config.init.empty())
    take_initial_weights(settings, !options.fresh && RunFolder{config.out}.holds_state(), config);
  if (options.extend > 0) extend_run({config.out}, options.extend, config);
  return config;
}

/// Initial weights that lie in the folder are in the new one afterwards.
void make_room_for_fresh_run(const RunFolder& folder, fs::path& init, Progress& progress) {
  std::error_code ignored;
  if (!fs::exists(folder.path, ignored) || fs::is_empty(folder.path, ignored)) return;
  const bool holds_init = !init.empty() && fs::equivalent(init.parent_path(), folder.path, ignored);
  const fs::path kept = move_aside(folder);
  if (holds_init) init = kept / init.filename();
  progress.print(
      fmt::format("the run that was in {} is now in {}", printable(folder.path.native()), printable(kept.native())));
}

std::string describe_start(const Trainer& trainer, const TrainConfig& config) {
  const TrainingPosition& position = trainer.position();
  const std::string folder = printable(trainer.folder().path.native());
  if (position.step == 0) return fmt::format("{} (new)", folder);
  std::string text = fmt::format("{}: goes on in epoch {}/{} after step {}/{}", folder, position.epoch + 1,
                                 total_epochs(config), position.step_in_epoch, trainer.steps_per_epoch());
  if (position.best_epoch > 0) text += fmt::format("; best test accuracy {:.2f}%", 100.0 * position.best_accuracy);
  return text;
}

bool is_in(const fs::path& folder, const fs::path& file) {
  std::error_code ignored;
  return fs::absolute(file, ignored).lexically_normal().parent_path() ==
         (fs::absolute(folder, ignored) / "").lexically_normal().parent_path();
}

/// Threads beside those of the pool that could have spans: libraries' own.
constexpr int kOtherThreads = 8;

/// With --profile. Throws Error, before anything is done, where that shows already that it can't do what it is asked.
std::unique_ptr<StepProfiler> make_profiler(const ProfileOptions& options, const TrainConfig& config,
                                            const Dataset& train, const ThreadCount& threads, Progress& progress) {
  if (options.file.empty()) return nullptr;
  if (!is_in(config.out, options.file)) require_writable(options.file);  // that folder may be yet to come
  const OnednnInfo onednn = Engine::onednn_info();
  const ModelConfig model = model_config(config, train.channels(), train.classes());
  auto profiler = std::make_unique<StepProfiler>(
      options, threads.count + kOtherThreads,
      std::map<std::string, std::string>{{"version", CONVMIXER_VERSION},
                                         {"model", describe(model)},
                                         {"batch_size", fmt::format("{}", config.batch_size)},
                                         {"precision", config.precision},
                                         {"threads", fmt::format("{}", threads.count)},
                                         {"cpu", cpu_info().model},
                                         {"oneDNN", fmt::format("{}, {}", onednn.version, onednn.instructions)}},
      progress);
  profiler->require_within(total_epochs(config) * ((train.size() + config.batch_size - 1) / config.batch_size));
  return profiler;
}

/// A training that was interrupted ends as such, whether or not there is a profile.
void finish(StepProfiler& profiler, TrainEnd end, Progress& progress) {
  try {
    profiler.finish();
  } catch (const Error& error) {
    if (end != TrainEnd::signal) throw;
    progress.print(printable(error.what()));
  }
}

/// What will run, and on what.
void print_table(Trainer& trainer, const TrainConfig& config, const Dataset& train, const Dataset& test,
                 const ThreadCount& threads, Engine& engine, Progress& progress) {
  const Graph& graph = trainer.network().graph();
  Rows rows{{"run", describe_start(trainer, config)}};
  const auto append = [&](const Rows& more) { rows.insert(rows.end(), more.begin(), more.end()); };
  append(model_rows(model_config(config, train.channels(), train.classes()), graph));
  if (!trainer.initial_weights().empty()) rows.emplace_back("weights", printable(trainer.initial_weights()));
  if (!config.freeze.empty()) {
    rows.emplace_back(
        "frozen", fmt::format("{}: {} of {} parameters are trained", describe_parts(frozen_parts(graph, config.freeze)),
                              with_commas(trained_parameter_count(graph)), with_commas(parameter_count(graph))));
  }
  append(data_rows(config, train, test));
  append(optimizer_rows(config, trainer.steps_per_epoch(), train.size()));
  rows.emplace_back("precision", config.precision);
  rows.emplace_back("plan", describe_plan(trainer.training_plan()));
  append(machine_rows(threads, engine));
  rows.emplace_back("memory", describe(trainer.planned_memory(), graph, values_per_parameter(config)));
  progress.print(fmt::format("convmixer " CONVMIXER_VERSION "\n{}", format_rows(rows, progress.terminal().colour)));
  if (const std::string change = trainer.changed_circumstances(); !change.empty()) {
    progress.print(fmt::format("note: {}: as good, but not the same to the last bit\n", change));
  }
}

/// With --dry-run: all that a training does before its first step, and how long it would take.
int dry_run(const TrainConfig& config, const PrecisionChoice& precision, const Dataset& train, const Dataset& test,
            const ThreadCount& threads, Engine& engine, Progress& progress, const TrainControls& controls,
            const EstimateLimits& limits) {
  TrainingPosition position;
  {
    Trainer trainer(config, train, test, engine, progress, controls);  // gone before memory is measured
    position = trainer.position();
    if (controls.profiler != nullptr) controls.profiler->require_within(trainer.steps_left());
    if (position.epoch < total_epochs(config)) print_table(trainer, config, train, test, threads, engine, progress);
  }
  if (position.epoch >= total_epochs(config)) {
    progress.print(fmt::format("{} is finished: nothing is left to train", printable(config.out.native())));
    return 0;
  }
  print_estimate(
      config, precision, data_of(train, test), position, limits, engine,
      [&](const std::string& text) { progress.print(text); }, progress.terminal().colour);
  progress.print("a dry run: nothing was trained or written");
  return 0;
}

std::string describe_best(const Trainer& trainer) {
  const TrainingPosition& position = trainer.position();
  if (position.best_epoch == 0 && position.best_accuracy >= 0.0)
    return fmt::format("the weights as they were, test accuracy {:.2f}%: {}", 100.0 * position.best_accuracy,
                       printable(trainer.folder().best().native()));
  if (position.best_epoch == 0) return "no epoch is finished yet";
  const std::string best =
      fmt::format("best test accuracy {:.2f}% in epoch {}", 100.0 * position.best_accuracy, position.best_epoch);
  const RunFolder& folder = trainer.folder();
  const auto path = [](const fs::path& file) { return printable(file.native()); };
  std::error_code ignored;
  if (fs::exists(folder.best(), ignored)) return fmt::format("{}: {}", best, path(folder.best()));
  return fmt::format(
      "{}, whose weights are gone: {} was removed{}", best, path(folder.best()),
      fs::exists(folder.last(), ignored) ? fmt::format("; the last are in {}", path(folder.last())) : "");
}

/// How a run that was stopped goes on. The command that extended it would extend it again.
std::string describe_way_on(const std::string& folder, const CommandOptions& options) {
  return fmt::format("to go on{}: convmixer train --resume {}",
                     options.extend > 0 ? "" : ", type the same command again, or", folder);
}

std::string describe_end(TrainEnd end, const Trainer& trainer, const TrainConfig& config, const CommandOptions& options,
                         bool trained) {
  const TrainingPosition& position = trainer.position();
  const std::string folder = printable(trainer.folder().path.native());
  const std::string time = format_time_left(position.seconds);
  const std::string epochs = counted(position.epoch, "epoch");
  switch (end) {
    case TrainEnd::finished:
      if (total_epochs(config) == 0) return describe_best(trainer);
      if (trained) return fmt::format("finished {} in {}; {}", epochs, time, describe_best(trainer));
      return fmt::format("{} is finished: {}; {}\nto train again, choose another --out, or --fresh{}", folder, epochs,
                         describe_best(trainer), can_be_extended(config) ? "; to train on, --extend EPOCHS" : "");
    case TrainEnd::patience:
      return fmt::format("stopped after epoch {}, in {}: no better test accuracy for {}; {}", position.epoch, time,
                         counted(position.epochs_without_improvement, "epoch"), describe_best(trainer));
    case TrainEnd::time_limit:
      return fmt::format("stopped at the time limit, {}; {}\nto go on, type the same command with more --max-time",
                         format_duration(config.max_time), describe_best(trainer));
    case TrainEnd::signal:
      break;
  }
  return fmt::format("stopped and saved in epoch {}/{} after step {}/{}; {}\n{}", position.epoch + 1,
                     total_epochs(config), position.step_in_epoch, trainer.steps_per_epoch(), describe_best(trainer),
                     describe_way_on(folder, options));
}

}  // namespace

CommandHelp train_help() {
  TrainConfig config;
  CommandOptions options;
  std::vector<OptionGroup> groups{command_group(options)};
  const std::vector<OptionGroup> keys = config_options(config);
  groups.insert(groups.end(), keys.begin(), keys.end());
  return command_help(
      "usage: convmixer train [--config FILE] [--option value ...]\n\n"
      "Trains a ConvMixer into a run folder: best.safetensors, last.safetensors, metrics.jsonl, config.ini and the\n"
      "state to go on from. Ctrl-C finishes the step and saves; the same command again goes on, bit for bit.\n\n"
      "Every option but those of the first group is a key of the configuration file as well: lines of the form\n"
      "'key = value', '#' begins a comment.\n",
      groups);
}

int train_command(std::span<const std::string> words) {
  CommandOptions options;
  TrainConfig config = read_settings(words, options);
  TrainControls controls = default_controls();
  Progress progress(config.quiet ? nullptr : stdout, detect_terminal(stdout), controls.clock);
  const auto note = each_once([&progress](const std::string& text) { progress.print(printable(text, kLongestNote)); });
  const auto train = open_dataset(dataset_options(config, Split::train, note), Split::train);
  const auto test = open_dataset(dataset_options(config, Split::test, note), Split::test);
  const ThreadCount threads = choose_thread_count(config.threads);
  ThreadPool pool(threads.count, thread_pinning(config));
  Engine engine(pool);
  const PrecisionChoice precision = resolve(config, *train, engine);
  const auto profiler = make_profiler(options.profile, config, *train, threads, progress);
  controls.profiler = profiler.get();
  controls.may_change_data = options.allow_changed_data;
  controls.dry_run = options.dry_run;
  controls.fresh = options.fresh;
  if (options.dry_run)
    return dry_run(config, precision, *train, *test, threads, engine, progress, controls, options.estimate);
  if (options.fresh) make_room_for_fresh_run({config.out}, config.init, progress);
  Trainer trainer(config, *train, *test, engine, progress, controls);
  const StopSignal stop_signal;  // up to here there is nothing to save
  const std::int64_t first_step = trainer.position().step;
  if (profiler) {
    profiler->require_within(trainer.steps_left());
    require_writable(options.profile.file);
  }
  if (trainer.position().epoch < total_epochs(config) || trainer.position().best_accuracy < 0.0) {
    print_table(trainer, config, *train, *test, threads, engine, progress);
  }
  const TrainEnd end = trainer.run();
  progress.print(describe_end(end, trainer, config, options, trainer.position().step > first_step));
  if (profiler) finish(*profiler, end, progress);
  return end == TrainEnd::signal ? 128 + StopSignal::received() : 0;
}

}  // namespace convmixer::tool
