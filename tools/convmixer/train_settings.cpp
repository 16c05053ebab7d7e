#include "train_settings.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/data/open_dataset.hpp"
#include "convmixer/model/registry.hpp"
#include "convmixer/plan/plan.hpp"
#include "convmixer/train/idle_settings.hpp"
#include "convmixer/train/initial_weights.hpp"
#include "convmixer/train/option_parser.hpp"
#include "convmixer/train/run_config.hpp"
#include "convmixer/train/run_length.hpp"
#include "estimate_report.hpp"
#include "given_weights.hpp"
#include "progress_option.hpp"
#include "seed_folders.hpp"

#include <algorithm>
#include <iterator>
#include <system_error>
#include <utility>
#include <vector>

namespace convmixer::tool {
namespace {

namespace fs = std::filesystem;

void check_command_options(const CommandLine& line, const TrainOptions& options) {
  if (!line.arguments.empty()) {
    const std::string& word = line.arguments.front();
    fail_usage("unexpected '{}'{}", word,
               word.ends_with(".ini") ? fmt::format("; did you mean --config {}?", word) : "");
  }
  for (const char* window : {"profile-skip", "profile-steps"}) {
    if (line.find(window) != nullptr && options.profile.file.empty()) fail_usage("--{}: needs --profile FILE", window);
  }
  if (line.find("estimate-seconds") != nullptr && !options.dry_run) fail_usage("--estimate-seconds: needs --dry-run");
  if (options.open && options.dry_run) fail_usage("--open and --dry-run don't go together: there is nothing to see");
  if (options.extend > 0 && options.fresh) fail_usage("--extend and --fresh don't go together");
  if (options.resume.empty()) return;
  for (const char* other : {"config", "out", "fresh"}) {
    if (line.find(other) != nullptr) fail_usage("--resume and --{} don't go together", other);
  }
  const RunFolder folder{options.resume};
  std::error_code error;
  if (fs::exists(folder.config(), error)) return;
  if (error) fail("{}: {}", folder.config().string(), error.message());
  if (!fs::exists(folder.path, error)) fail("{}: no such folder: expected that of a run", folder.path.string());
  fail("{}: no run to go on with: it has no {}", folder.path.string(), folder.config().filename().string());
}

/// Whether a run's network can be trained here in the precision that it was.
bool can_keep_precision(const TrainConfig& before) {
  constexpr int kColours = 3;
  constexpr int kClasses = 10;  // any
  const Precision precision = before.precision == "f32" ? Precision::f32 : Precision::bf16;
  return Plan::supports(make_graph(model_config(before, kColours, kClasses)), precision);
}

/// A run that goes on keeps its plan, its test images and the epochs it was extended by unless told otherwise: its bits
/// depend on them, but no setting would be refused. So it does its name, tags and note. What `auto` chose for its
/// precision it keeps as well. What its images are normalised by it keeps too where the run knows its data, which is
/// then compared itself; and all that it took from the weights that it began with, whose file it needs no more.
void keep_from_run(const RunFolder& folder, std::span<const Assignment> settings, TrainConfig& config) {
  std::error_code ignored;
  if (!fs::exists(folder.state(), ignored) || !fs::exists(folder.config(), ignored)) return;
  const auto is_given = [&](const std::string& key) {
    return std::ranges::any_of(settings, [&](const Assignment& setting) { return setting.key == key; });
  };
  const TrainConfig before = read_run_config(folder);
  if (!is_given("plan")) config.plan = before.plan;
  if (!is_given("name")) config.name = before.name;
  if (!is_given("tag")) config.tags = before.tags;
  if (!is_given("note")) config.note = before.note;
  if (config.precision == "auto" && can_keep_precision(before)) config.precision = before.precision;
  if (!is_given("test-choice")) config.test_choice = before.test_choice;
  const bool knows_data = knows_its_data(folder);
  if (knows_data && !is_given("mean")) config.mean = before.mean;
  if (knows_data && !is_given("std")) config.std = before.std;
  if (!is_given("init")) config.init = before.init;
  if (!config.init.empty() && !before.init.empty()) {
    if (!is_given("model") || entry_of(before.model).holds(config.model)) config.model = before.model;
    if (!is_given("image-size")) config.image_size = before.image_size;
    if (!is_given("fit")) config.fit = before.fit;
  }
  if (!is_given("cooldown-epochs") && before.schedule == config.schedule)
    config.cooldown_epochs = before.cooldown_epochs;
}

/// What a new run's weights say that it begins with; of a run folder, they are its best. Settings that name no model
/// are those of theirs.
std::optional<CheckpointInfo> find_initial_weights(bool names_model, bool goes_on, TrainConfig& config) {
  std::error_code ignored;
  if (config.init.empty()) return std::nullopt;
  if (goes_on) {  // only which file it was is asked
    if (fs::is_directory(config.init, ignored)) config.init = RunFolder{config.init}.best();
    return std::nullopt;
  }
  GivenWeights weights = find_weights(config.init);
  config.init = weights.path;
  const ModelEntry& entry = entry_of(weights.info.model);
  if (!names_model && !entry.holds(config.model)) config.model = entry.defaults;
  return std::move(weights.info);
}

/// Settings of the model's own: which model, weights that the run begins with may say.
bool is_of_model(const Assignment& setting) {
  static const std::vector<std::string> names = model_option_names();
  return setting.key != "model" && setting.key != "image-size" && std::ranges::find(names, setting.key) != names.end();
}

/// Gives one of several runs its seed and its folder. Returns the folder of the run that it keeps settings of: its own,
/// or one beside it if it is new.
RunFolder place_seed(std::uint64_t seed, TrainConfig& config) {
  const fs::path all = config.out;
  RunFolder own = seed_folder(all, seed);
  config.seed = seed;
  config.out = own.path;
  if (own.holds_state()) return own;
  const std::vector<SeedFolder> others = seed_folders(all);
  return others.empty() ? own : others.front().folder;
}

/// With --extend.
void extend_run(const RunFolder& folder, int more_epochs, TrainConfig& config) {
  if (!folder.holds_state()) fail_usage("--extend: {} holds no run to extend", folder.path.string());
  std::error_code ignored;
  if (fs::exists(folder.config(), ignored)) require_same_settings(folder, config);  // before they are judged
  try {
    extend(config, read_training_position(folder.state()).epoch, more_epochs);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::usage) throw;
    fail_usage("--extend: {}: {}", folder.path.string(), error.what());
  }
}

/// Of a run that begins: what it is tested on would be what it is trained on.
void refuse_one_folder_for_both(const TrainConfig& config, std::span<const Assignment> given) {
  std::error_code ignored;
  if (config.train_folder.empty() || config.test_folder.empty() || RunFolder{config.out}.holds_state()) return;
  for (const Assignment& assignment : given) {
    if ((assignment.key == "train-folder" || assignment.key == "test-folder") &&
        fs::equivalent(config.data / config.train_folder, config.data / config.test_folder, ignored))
      fail_usage("{}: the training images' folder and the test images' are the same", assignment.where);
  }
}

}  // namespace

OptionGroup train_command_group(TrainOptions& options) {
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
       switch_option(
           "open", options.open,
           "show the training in a web page as it goes, until it ends: prints its address, and opens it where "
           "there is a display; only this machine can open it ('convmixer watch' has more)"),
       integer_option("start-timeout", options.start_timeout, 1, 86'400,
                      "seconds that ranks started by mpirun or srun wait until all of them have read their data"),
       progress_option(options.progress,
                       "live: a line that is drawn over itself, with curves of the run below it; plain: a line now and "
                       "then and one for each epoch; none: only how it begins and ends; auto: live on a terminal, "
                       "plain elsewhere"),
       path_option("profile", options.profile.file, "FILE",
                   "record a window of steps: a table by operation, and a trace of all threads in FILE (JSON) for "
                   "ui.perfetto.dev and chrome://tracing"),
       integer_option("profile-skip", options.profile.skip, 0, 1'000'000'000, "steps before the window, to warm up"),
       integer_option("profile-steps", options.profile.steps, 1, 10'000, "steps in the window")}};
}

TrainConfig read_train_settings(std::span<const std::string> words, TrainOptions& options,
                                std::optional<std::uint64_t> seed) {
  TrainConfig config;
  const std::vector<OptionGroup> keys = config_options(config);
  const std::vector<OptionGroup> own{train_command_group(options)};
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
    refuse_idle_settings(config, line.settings);
    if (options.extend > 0) extend_run({config.out}, options.extend, config);
    return config;
  }
  const fs::path& file = options.config;
  std::vector<Assignment> settings;
  if (!file.empty()) settings = parse_ini_file(keys, file);
  settings.insert(settings.end(), line.settings.begin(), line.settings.end());
  std::vector<Assignment> of_model;
  std::vector<Assignment> others;
  std::ranges::partition_copy(settings, std::back_inserter(of_model), std::back_inserter(others), is_of_model);
  assign(keys, others);
  recognise_dataset(config);
  if (config.out.empty()) {
    config.out = fs::path("runs") / (file.empty() ? config.dataset : file.stem().string());
    if (seed) config.out += kSeedsSuffix;
  }
  const RunFolder before = seed ? place_seed(*seed, config) : RunFolder{config.out};
  if (!options.fresh) keep_from_run(before, settings, config);
  const bool names_model = std::ranges::find(settings, "model", &Assignment::key) != settings.end();
  const auto begins_with =
      find_initial_weights(names_model, !options.fresh && RunFolder{config.out}.holds_state(), config);
  assign(keys, of_model);
  if (begins_with) take_settings(config, *begins_with, settings);
  refuse_idle_settings(config, line.settings);
  refuse_one_folder_for_both(config, line.settings);
  if (options.extend > 0) extend_run({config.out}, options.extend, config);
  return config;
}

}  // namespace convmixer::tool
