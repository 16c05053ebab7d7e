#include "train_command.hpp"

#include "commands.hpp"
#include "convmixer/core/cpu.hpp"
#include "convmixer/core/error.hpp"
#include "convmixer/core/file.hpp"
#include "convmixer/core/plural.hpp"
#include "convmixer/core/printable.hpp"
#include "convmixer/data/open_dataset.hpp"
#include "convmixer/dist/rank_cpus.hpp"
#include "convmixer/dist/run_rank.hpp"
#include "convmixer/model/freeze.hpp"
#include "convmixer/train/duration.hpp"
#include "convmixer/train/find_runs.hpp"
#include "convmixer/train/option_parser.hpp"
#include "convmixer/train/output_files.hpp"
#include "convmixer/train/precision_choice.hpp"
#include "convmixer/train/progress.hpp"
#include "convmixer/train/run_length.hpp"
#include "convmixer/train/step_profiler.hpp"
#include "convmixer/train/stop_signal.hpp"
#include "estimate_report.hpp"
#include "progress_option.hpp"
#include "report.hpp"
#include "run_text.hpp"
#include "typed_words.hpp"
#include "watch/page_address.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <memory>
#include <vector>

namespace convmixer::tool {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLongestNote = 20'000;

/// Initial weights that lie in the folder are in the new one afterwards.
void make_room_for_fresh_run(const RunFolder& folder, fs::path& init, Progress& progress) {
  if (!holds_files_of_run(folder)) return;
  std::error_code ignored;
  const bool holds_init = !init.empty() && fs::equivalent(init.parent_path(), folder.path, ignored);
  const fs::path kept = move_aside(folder);
  if (holds_init) init = kept / init.filename();
  progress.print(
      fmt::format("the run that was in {} is now in {}", printable(folder.path.native()), printable(kept.native())));
}

/// Threads beside those of the pool that could have spans: libraries' own.
constexpr int kOtherThreads = 8;

/// With --profile. Throws Error, before anything is done, where that shows already that it can't do what it is asked.
std::unique_ptr<StepProfiler> make_profiler(const ProfileOptions& options, const fs::path& settings,
                                            const TrainConfig& config, const Dataset& train, const RunImages& images,
                                            const ThreadCount& threads, Progress& progress, Communicator& ranks) {
  if (options.file.empty()) return nullptr;
  if (ranks.rank() == 0) {
    const OutputFile profile{.option = "profile", .path = options.file, .folder = config.out};
    require_no_file_of_run(profile, config.out);
    require_outputs(std::array{profile}, {settings, config.data, config.init});
  }
  const OnednnInfo onednn = Engine::onednn_info();
  const ModelConfig model = model_config(config, train.channels(), train.classes());
  auto profiler = std::make_unique<StepProfiler>(
      options, threads.count + kOtherThreads,
      std::map<std::string, std::string>{{"version", CONVMIXER_VERSION},
                                         {"model", describe(model)},
                                         {"batch_size", fmt::format("{}", config.batch_size)},
                                         {"micro_batch", fmt::format("{}", config.micro_batch)},
                                         {"precision", config.precision},
                                         {"threads", fmt::format("{}", threads.count)},
                                         {"ranks", fmt::format("{}", ranks.size())},
                                         {"cpu", cpu_info().model},
                                         {"oneDNN", fmt::format("{}, {}", onednn.version, onednn.instructions)}},
      progress, ranks);
  profiler->require_within(total_epochs(config) * ((images.train + config.batch_size - 1) / config.batch_size));
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

/// Whether this process is the one that prints, and reads and writes the run folder.
bool prints(LaunchedRanks* ranks) { return ranks == nullptr || ranks->communicator().rank() == 0; }

/// mpirun gives each rank a terminal of its own, whether or not there is one at the other end, and of what size.
Terminal terminal_of(LaunchedRanks* ranks, ProgressMode mode) {
  return ranks == nullptr || mode == ProgressMode::live ? detect_terminal(stdout) : Terminal{};
}

/// The signal that has ended the training, which some ranks may not have got.
int received_signal(LaunchedRanks* ranks) {
  const int own = StopSignal::received();
  return ranks == nullptr ? own : static_cast<int>(largest_of_ranks(ranks->communicator(), own));
}

/// Rank 0's settings, on all ranks.
void share_config(TrainConfig& config, Communicator& ranks) {
  const std::string text = broadcast_text(ranks, ranks.rank() == 0 ? to_ini(config) : "", 0);
  if (ranks.rank() > 0) {
    config = {};
    const std::vector<OptionGroup> options = config_options(config);
    assign(options, parse_ini_text(text, "the settings of rank 0"));
  }
}

/// The window that rank 0 was asked to record, if any.
void share_profile(ProfileOptions& profile, Communicator& ranks) {
  profile.file = broadcast_text(ranks, profile.file.native(), 0);
  profile.skip = static_cast<std::int64_t>(broadcast_number(ranks, static_cast<double>(profile.skip), 0));
  profile.steps = static_cast<std::int64_t>(broadcast_number(ranks, static_cast<double>(profile.steps), 0));
}

/// Once all ranks have their data.
ThreadCount choose_threads(LaunchedRanks* ranks, int requested, int start_timeout) {
  if (ranks == nullptr) return choose_thread_count(requested);
  ranks->meet(start_timeout);
  return choose_rank_threads(ranks->communicator(), requested);
}

/// "2, by Open MPI v4.1.4; batch norms see all ranks' images".
std::string describe_ranks(LaunchedRanks& ranks, const TrainConfig& config) {
  std::string text = fmt::format("{}, by {}", ranks.communicator().size(), ranks.library());
  if (ranks.local_size() < ranks.communicator().size()) text += fmt::format("; {} on this machine", ranks.local_size());
  return text + (config.batch_norm == NormRanks::sync ? "; batch norms see all ranks' images"
                                                      : "; batch norms see each rank's own images");
}

/// What will run, and on what.
void print_table(Trainer& trainer, const TrainConfig& config, const Dataset& train, const RunImages& images,
                 const ThreadCount& threads, Engine& engine, Progress& progress, LaunchedRanks* ranks) {
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
  append(data_rows(config, images));
  append(image_size_rows(config, model_config(config, train.channels(), train.classes())));
  append(optimizer_rows(config, trainer.steps_per_epoch(), images.train));
  append(micro_batch_rows(config, images.train));
  rows.emplace_back("precision", describe_precision(trainer.network().precision()));
  rows.emplace_back("plan", describe_plan(trainer.training_plan()));
  if (ranks != nullptr) rows.emplace_back("ranks", describe_ranks(*ranks, config));
  append(machine_rows(threads, engine));
  rows.emplace_back("memory", describe(trainer.planned_memory(), values_in_training(graph, config),
                                       optimizer_bytes(trainer.network(), config, threads.count)));
  progress.print(fmt::format("convmixer " CONVMIXER_VERSION "\n{}", format_rows(rows, progress.terminal().colour)));
  if (const std::string change = trainer.changed_circumstances(); !change.empty()) {
    progress.print(fmt::format("note: {}\n", change));
  }
}

/// Where the page of a training is; asked for, it is said to --quiet as well.
void announce(const WatchProcess& page) {
  print_line(fmt::format("page      {}", page.address()));
  if (!page.advice().empty()) print_line(fmt::format("          from your own machine, first: {}", page.advice()));
  print_line("          it stays until the training ends");
  open_in_browser(page.address());
}

std::string describe_end_of_page(const WatchProcess& page) {
  return fmt::format("the page ended with the training; 'convmixer watch {}' shows it again",
                     as_typed({printable(page.watched().native())}));
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
    if (const auto end = reached_end(config, position); total_epochs(config) == 0 || (end && is_for_good(*end))) {
      progress.print(describe_nothing_left(end.value_or(TrainEnd::finished), trainer, config));
      return 0;
    }
    const RunImages images = run_images(config, train.size(), test.size());
    print_table(trainer, config, train, images, threads, engine, progress, nullptr);
  }
  print_estimate(
      config, precision, data_of(train, test), position, limits, engine,
      [&](const std::string& text) { progress.print(text); }, progress.terminal().colour);
  progress.print("a dry run: nothing was trained or written");
  return 0;
}

}  // namespace

CommandHelp train_help() {
  TrainConfig config;
  TrainOptions options;
  std::vector<OptionGroup> groups{train_command_group(options)};
  const std::vector<OptionGroup> keys = config_options(config);
  groups.insert(groups.end(), keys.begin(), keys.end());
  return command_help(
      "usage: convmixer train [--config FILE] [--option value ...]\n\n"
      "Trains a network into a run folder: best.safetensors, last.safetensors, metrics.jsonl, config.ini and the\n"
      "state to go on from. Ctrl-C finishes the step and saves; the same command again goes on, bit for bit.\n\n"
      "Every option but those of the first group is a key of the configuration file as well: lines of the form\n"
      "'key = value', '#' begins a comment.\n",
      groups);
}

TrainingSession::TrainingSession(const TrainConfig& config, ProgressMode mode, LaunchedRanks* ranks, int start_timeout)
    : ranks_(ranks),
      controls_(default_controls()),
      progress_(config.quiet || !prints(ranks) ? nullptr : stdout, terminal_of(ranks, mode), controls_.clock, mode),
      note_(each_once([this](const std::string& text) { progress_.print(printable(text, kLongestNote)); })),
      train_(open_dataset(dataset_options(config, Split::train, note_), Split::train)),
      test_(open_dataset(dataset_options(config, Split::test, note_), Split::test)),
      threads_(choose_threads(ranks, config.threads, start_timeout)),
      pool_(threads_.count, thread_pinning(config)),
      engine_(pool_, ranks == nullptr ? nullptr : &ranks->communicator()) {}

PrecisionChoice TrainingSession::resolve_shared(TrainConfig& config) {
  if (ranks_ == nullptr) return resolve(config, *train_, engine_);
  PrecisionChoice choice;
  if (prints(ranks_)) choice = resolve(config, *train_, engine_);
  share_config(config, ranks_->communicator());
  return choice;
}

void TrainingSession::require_trainable(TrainConfig config) {
  (void)resolve(config, *train_, engine_);
  if (config.holdout.is_on()) (void)split_holdout(config, *train_);
}

void TrainingSession::require_fresh_start(TrainConfig config) {
  (void)resolve(config, *train_, engine_);
  Progress nobody(nullptr, {}, controls_.clock);
  TrainControls controls = controls_;
  controls.dry_run = true;
  controls.fresh = true;
  const Trainer trainer(config, *train_, *test_, engine_, nobody, controls);
}

int TrainingSession::train(TrainConfig config, const TrainOptions& options, const WatchProcess* page) {
  TrainControls controls = controls_;
  const PrecisionChoice precision = resolve_shared(config);
  if (config.holdout.is_on()) (void)split_holdout(config, *train_);  // refused before anything is moved
  const RunImages images = run_images(config, train_->size(), test_->size());
  const auto profiler =
      make_profiler(options.profile, options.config, config, *train_, images, threads_, progress_, engine_.ranks());
  controls.profiler = profiler.get();
  controls.may_change_data = options.allow_changed_data;
  controls.dry_run = options.dry_run;
  controls.fresh = options.fresh;
  if (options.dry_run)
    return dry_run(config, precision, *train_, *test_, threads_, engine_, progress_, controls, options.estimate);
  if (options.fresh && ranks_ == nullptr && holds_files_of_run({config.out})) require_fresh_start(config);
  if (options.fresh && prints(ranks_)) make_room_for_fresh_run({config.out}, config.init, progress_);
  Trainer trainer(config, *train_, *test_, engine_, progress_, controls);
  const StopSignal stop_signal;  // up to here there is nothing to save
  if (profiler) {
    profiler->require_within(trainer.steps_left());
    if (prints(ranks_)) require_writable(options.profile.file);
  }
  const bool was_done = is_done(config, trainer.position());
  if (!was_done) print_table(trainer, config, *train_, images, threads_, engine_, progress_, ranks_);
  if (page != nullptr && !was_done) announce(*page);
  const TrainEnd end = trainer.run();
  progress_.print(
      describe_end(end, trainer, config,
                   {.was_done = was_done, .extended = options.extend > 0, .resumed = !options.resume.empty()}));
  if (page != nullptr)
    progress_.print(was_done ? fmt::format("no page: nothing was trained; 'convmixer watch {}' shows the run",
                                           as_typed({printable(page->watched().native())}))
                             : describe_end_of_page(*page));
  if (profiler) finish(*profiler, end, progress_);
  return end == TrainEnd::signal ? 128 + received_signal(ranks_) : 0;
}

namespace {

/// One of several processes that mpirun or srun has started.
int train_rank(std::span<const std::string> words, LaunchedRanks& ranks) {
  TrainOptions options;
  TrainConfig config;
  std::unique_ptr<WatchProcess> page;
  if (prints(&ranks)) {
    config = read_train_settings(words, options);
    if (options.dry_run) fail_usage("--dry-run and several ranks don't go together: try it in one process");
    require_showable(options.progress, stdout, "standard output", config.quiet);
    if (options.open) page = std::make_unique<WatchProcess>(config.out);
  }
  share_config(config, ranks.communicator());
  options.allow_changed_data = broadcast_number(ranks.communicator(), options.allow_changed_data ? 1.0 : 0.0, 0) != 0.0;
  share_profile(options.profile, ranks.communicator());
  const int status =
      TrainingSession(config, options.progress, &ranks, options.start_timeout).train(config, options, page.get());
  // All is saved and said. What follows a stop are signals to the last ranks, as soon as mpirun sees the first's
  // status.
  if (status != 0) tell_of_signals(false);
  return status;
}

}  // namespace

int train_command(std::span<const std::string> words) {
  if (const Launch launch = find_launch(); launch.ranks > 1) {
    constexpr const char* kLessMemory = "more ranks, or a smaller --micro-batch, need less each";
    return run_rank(launch, "convmixer", kLessMemory,
                    [words](LaunchedRanks& ranks) { return train_rank(words, ranks); });
  }
  TrainOptions options;
  const TrainConfig config = read_train_settings(words, options);
  require_showable(options.progress, stdout, "standard output", config.quiet);
  std::unique_ptr<WatchProcess> page;
  if (options.open) page = std::make_unique<WatchProcess>(config.out);  // before there is any other thread
  return TrainingSession(config, options.progress).train(config, options, page.get());
}

}  // namespace convmixer::tool
