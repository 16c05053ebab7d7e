#include "commands.hpp"
#include "convmixer/core/error.hpp"
#include "convmixer/core/file.hpp"
#include "convmixer/core/plural.hpp"
#include "convmixer/core/printable.hpp"
#include "convmixer/train/find_runs.hpp"
#include "convmixer/train/option_parser.hpp"
#include "convmixer/train/output_files.hpp"
#include "convmixer/train/run_config.hpp"
#include "convmixer/train/run_folder.hpp"
#include "convmixer/train/stop_signal.hpp"
#include "output.hpp"
#include "progress_option.hpp"
#include "seed_folders.hpp"
#include "seeds_report.hpp"
#include "train_command.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace convmixer::tool {
namespace {

namespace fs = std::filesystem;

constexpr int kMostSeeds = 1000;

struct SeedsOptions {
  int count = 5;
  std::uint64_t first_seed = 1;
  fs::path json;
};

OptionGroup seeds_group(SeedsOptions& options) {
  return {"Seeds",
          {integer_option("count", options.count, 1, kMostSeeds, "how many runs"),
           integer_option("first-seed", options.first_seed, "of the first run; each of the others has one more"),
           path_option("json", options.json, "FILE", "write the results to this file instead of seeds.json in --out")}};
}

/// Those of the options of `train` that several runs have use for.
OptionGroup command_group(TrainOptions& options) {
  constexpr std::array<std::string_view, 6> kShared{"config",           "fresh",   "allow-changed-data", "dry-run",
                                                    "estimate-seconds", "progress"};
  OptionGroup group = train_command_group(options);
  std::erase_if(group.options,
                [&](const Option& option) { return std::ranges::find(kShared, option.name) == kShared.end(); });
  return group;
}

/// The keys of a configuration but for the seed.
std::vector<OptionGroup> configuration_groups(TrainConfig& config) {
  std::vector<OptionGroup> groups = config_options(config);
  for (OptionGroup& group : groups)
    std::erase_if(group.options, [](const Option& option) { return option.name == "seed"; });
  return groups;
}

std::vector<OptionGroup> all_groups(SeedsOptions& options, TrainOptions& train_options, TrainConfig& config) {
  std::vector<OptionGroup> groups{seeds_group(options), command_group(train_options)};
  const std::vector<OptionGroup> keys = configuration_groups(config);
  groups.insert(groups.end(), keys.begin(), keys.end());
  return groups;
}

/// The command's own options are set; returned are the words of each training.
std::vector<std::string> read_words(std::span<const std::string> words, SeedsOptions& options) {
  TrainOptions train_options;
  TrainConfig config;
  for (const std::string& word : words)
    if (word == "--seed" || word.starts_with("--seed="))
      fail_usage("{}: each run has its own; give --first-seed", word);
  const CommandLine line = parse_command_line(all_groups(options, train_options, config), words);
  const std::vector<OptionGroup> own{seeds_group(options)};
  assign(own, line.settings);
  if (options.first_seed > std::numeric_limits<std::uint64_t>::max() - kMostSeeds)
    fail_usage("--first-seed {}: too high to count on from", options.first_seed);
  std::vector<std::string> rest;
  for (const Assignment& setting : line.settings) {
    const bool is_own = std::ranges::find(own.front().options, setting.key, &Option::name) != own.front().options.end();
    if (!is_own) rest.push_back(fmt::format("--{}={}", setting.key, setting.value));
  }
  rest.insert(rest.end(), line.arguments.begin(), line.arguments.end());
  return rest;
}

/// Whether a file is somewhere in a folder.
bool is_below(const fs::path& folder, const fs::path& file) {
  std::error_code error;
  const fs::path whole = fs::weakly_canonical(fs::absolute(folder, error), error) / "";
  const fs::path inner = fs::weakly_canonical(fs::absolute(file, error), error);
  return !error && inner.native().starts_with(whole.native());
}

/// The runs of one command.
class Seeds {
 public:
  Seeds(const SeedsOptions& options, std::vector<std::string> words)
      : options_(options),
        words_(std::move(words)),
        first_(read_train_settings(words_, train_options_, options.first_seed)),
        all_{first_.out.parent_path()},
        json_(options.json.empty() ? all_.path / "seeds.json" : options.json) {}

  /// Returns the exit status.
  int run();

 private:
  /// Throws Error (usage) if the folder holds a run of its own, or runs of other settings.
  void check_folder() const;
  /// With --fresh.
  void make_room();
  /// With --dry-run: of the first run that is left.
  int look();
  /// Trains those that are left, one after the other, until a signal comes; returns the exit status.
  int train_all();
  int train(std::uint64_t seed);
  void print_results() const;

  [[nodiscard]] SeedsGoal goal() const {
    return {.holdout = first_.holdout.is_on(), .until_accuracy = first_.until_accuracy};
  }
  [[nodiscard]] std::uint64_t end_of_seeds() const {
    return options_.first_seed + static_cast<std::uint64_t>(options_.count);
  }
  /// Of the runs that have begun.
  [[nodiscard]] std::vector<SeedResult> results() const;
  [[nodiscard]] std::vector<std::uint64_t> seeds_left() const;
  void write_json() const {
    write_file_atomically(json_, seeds_json(goal(), results(), options_.first_seed, options_.count).dump(2) + "\n");
  }
  [[nodiscard]] TrainingSession& session() {
    if (!session_) session_ = std::make_unique<TrainingSession>(first_, train_options_.progress);
    return *session_;
  }
  void say(const std::string& line) const {
    if (!first_.quiet) print_line(line);
  }

  SeedsOptions options_;
  std::vector<std::string> words_;
  TrainOptions train_options_;
  TrainConfig first_;  ///< of the first run
  RunFolder all_;
  fs::path json_;
  std::set<std::uint64_t> ended_;  ///< here; a time limit may not be seen in the folder
  std::vector<std::string> failures_;
  std::unique_ptr<TrainingSession> session_;
};

void Seeds::check_folder() const {
  if (train_options_.fresh) return;
  if (all_.holds_state()) fail_usage("{} holds a run of its own: choose another --out", all_.path.string());
  TrainConfig config = first_;
  for (const SeedFolder& one : seed_folders(all_.path)) {
    config.seed = one.seed;
    require_same_settings(one.folder, config);
  }
}

std::vector<SeedResult> Seeds::results() const {
  std::vector<SeedResult> found;
  for (const SeedFolder& one : seed_folders(all_.path)) {
    if (one.seed < options_.first_seed || one.seed >= end_of_seeds()) continue;
    found.push_back({one.seed, one.folder.path, read_run_result(one.folder, first_)});
    found.back().run.ended |= ended_.contains(one.seed);
  }
  return found;
}

std::vector<std::uint64_t> Seeds::seeds_left() const {
  std::set<std::uint64_t> ended;
  if (!train_options_.fresh)
    for (const SeedResult& one : results())
      if (one.run.ended) ended.insert(one.seed);
  std::vector<std::uint64_t> left;
  for (std::uint64_t seed = options_.first_seed; seed < end_of_seeds(); ++seed)
    if (!ended.contains(seed)) left.push_back(seed);
  return left;
}

void Seeds::make_room() {
  if (holds_files_of_run(all_) || holds_files_of_seeds(all_.path)) {
    if (!first_.init.empty() && is_below(all_.path, first_.init))
      fail_usage("--fresh: the initial weights, {}, are in the folder that it would move: copy them elsewhere",
                 first_.init.string());
    for (const SeedFolder& one : seed_folders(all_.path)) const RunFolderLock nobody_trains(one.folder);
    session().require_fresh_start(first_);
    const fs::path kept = move_aside(all_);
    say(fmt::format("the runs that were in {} are now in {}", all_.path.native(), kept.native()));
  }
  std::erase_if(words_, [](const std::string& word) { return word.starts_with("--fresh="); });
  train_options_.fresh = false;
}

int Seeds::look() {
  const std::vector<std::uint64_t> left = seeds_left();
  if (!left.empty()) {
    TrainOptions options;
    const TrainConfig config = read_train_settings(words_, options, left.front());
    session().train(config, options);
  }
  say(fmt::format("{} of {} left to train in {}", left.size(), counted(options_.count, "run"), all_.path.native()));
  return 0;
}

int Seeds::train(std::uint64_t seed) {
  if (!first_.quiet) print("\n");
  say(fmt::format("seed {}, run {} of {}", seed, seed - options_.first_seed + 1, options_.count));
  TrainOptions options;
  const TrainConfig config = read_train_settings(words_, options, seed);
  int status = 0;
  try {
    status = session().train(config, options);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::usage) throw;
    failures_.push_back(fmt::format("seed {}: {}", seed, error.what()));  // others may do better
    say(failures_.back());
    return 0;
  }
  if (status != 0) return status;
  ended_.insert(seed);
  write_json();
  const std::vector<SeedResult> found = results();
  say(describe_seed(goal(), *std::ranges::find(found, seed, &SeedResult::seed), found));
  return 0;
}

int Seeds::train_all() {
  const std::vector<std::uint64_t> left = seeds_left();
  for (const std::uint64_t seed : left) {
    if (const int status = train(seed); status != 0) return status;
    // A signal that came when the run had ended.
    if (StopSignal::received() != 0 && seed != left.back()) return 128 + StopSignal::received();
  }
  return 0;
}

void Seeds::print_results() const {
  if (first_.quiet) return;
  const std::vector<SeedResult> found = results();
  const auto ended = std::ranges::count_if(found, [](const SeedResult& one) { return one.run.ended; });
  print_format("\n{} in {}{}\n{}{}\n", counted(options_.count, "run"), printable(all_.path.native()),
               ended == options_.count ? "" : fmt::format(": {} ended so far; the same command goes on", ended),
               format_seeds(goal(), found, detect_terminal(stdout).colour),
               fmt::format("in JSON: {}", printable(json_.native())));
}

int Seeds::run() {
  require_showable(train_options_.progress, stdout, "standard output", first_.quiet);
  check_folder();
  std::error_code none;
  if (fs::exists(train_options_.config, none) && !fs::is_regular_file(train_options_.config, none))
    fail_usage("--config {}: expected a file, which each run reads", train_options_.config.string());
  require_outputs(std::array{OutputFile{.option = "json", .path = options_.json, .folder = all_.path}},
                  {train_options_.config, first_.data});
  if (train_options_.dry_run) return look();
  if (!seeds_left().empty()) session().require_trainable(first_);
  if (train_options_.fresh) make_room();
  const RunFolderLock lock(all_);
  if (!lock.missing().empty()) say(fmt::format("note: {}", lock.missing()));
  const int status = train_all();
  write_json();
  print_results();
  if (status == 0 && !failures_.empty())
    fail("{} failed: {}", counted(failures_.size(), "run"), fmt::join(failures_, "; "));
  return status;
}

}  // namespace

CommandHelp seeds_help() {
  TrainConfig config;
  TrainOptions train_options;
  SeedsOptions options;
  return command_help(
      "usage: convmixer seeds [--count N] [--config FILE] [--option value ...]\n\n"
      "Trains the same run over several seeds, one after the other, each as 'convmixer train' would into a run folder\n"
      "of its own, OUT/seed-K, and prints a table: best and last accuracy, with --holdout the test accuracy of the "
      "best,\n"
      "with --until-accuracy the epoch and time that reached it, and the time of training; mean, standard deviation\n"
      "(of n - 1) and standard error of each. OUT is runs/NAME-seeds unless given. Ctrl-C finishes the step and "
      "saves;\n"
      "the same command goes on where it was, and prints the table again when all have ended; with a higher --count "
      "it\n"
      "adds runs. A limit such as --max-time is that of each run.\n\n"
      "The options of the last groups are those of 'convmixer train'; a configuration's seed has no effect.\n",
      all_groups(options, train_options, config));
}

int seeds_command(std::span<const std::string> words) {
  SeedsOptions options;
  std::vector<std::string> rest = read_words(words, options);
  return Seeds(options, std::move(rest)).run();
}

}  // namespace convmixer::tool
