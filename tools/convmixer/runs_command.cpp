#include "commands.hpp"
#include "convmixer/core/error.hpp"
#include "convmixer/core/file.hpp"
#include "convmixer/core/plural.hpp"
#include "convmixer/core/printable.hpp"
#include "convmixer/core/terminal.hpp"
#include "convmixer/train/find_runs.hpp"
#include "convmixer/train/option_parser.hpp"
#include "convmixer/train/output_files.hpp"
#include "convmixer/train/run_summary.hpp"
#include "output.hpp"
#include "runs_report.hpp"
#include "text_table.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <functional>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

namespace convmixer::tool {
namespace {

namespace fs = std::filesystem;

enum class Order { folder, name, best, time, date, epochs, state };

struct RunsOptions {
  Order order = Order::date;
  bool reverse = false;
  std::vector<std::string> tags;
  int depth = kUsualRunDepth;
  fs::path json;
};

OptionGroup runs_group(RunsOptions& options) {
  return {"Runs",
          {choice_option("sort", options.order,
                         {{"folder", Order::folder},
                          {"name", Order::name},
                          {"best", Order::best},
                          {"time", Order::time},
                          {"date", Order::date},
                          {"epochs", Order::epochs},
                          {"state", Order::state}},
                         "the best, the longest, the latest and the most epochs first; date: when a run was last "
                         "written to"),
           switch_option("reverse", options.reverse, "in the opposite order"),
           tags_option("tag", options.tags, "only runs that have it; several: that have all of them"),
           integer_option("depth", options.depth, 0, 64, "how many levels below a folder runs are looked for"),
           path_option("json", options.json, "FILE",
                       "write the list to this file as well; -: to standard output instead of the table")}};
}

/// A folder whose run can't be read.
struct Unreadable {
  fs::path folder;
  std::string reason;
};

struct FoundRuns {
  std::vector<RunSummary> runs;
  std::vector<Unreadable> unreadable;
};

bool has_tags(const RunSummary& run, const std::vector<std::string>& tags) {
  return std::ranges::all_of(tags, [&](const auto& tag) { return std::ranges::find(run.tags, tag) != run.tags.end(); });
}

FoundRuns read_runs(const std::vector<fs::path>& folders, const RunsOptions& options) {
  FoundRuns found;
  std::set<fs::path> seen;
  for (const fs::path& top : folders) {
    for (const fs::path& folder : find_runs(top, options.depth)) {
      std::error_code ignored;
      if (!seen.insert(fs::weakly_canonical(folder, ignored)).second) continue;
      try {
        RunSummary run = summarise(RunHistory(folder));
        if (has_tags(run, options.tags)) found.runs.push_back(std::move(run));
      } catch (const Error& error) {
        found.unreadable.push_back({folder, error.what()});
      }
    }
  }
  return found;
}

/// Of two runs that are equal, the one that was found first comes first.
void sort(std::vector<RunSummary>& runs, const RunsOptions& options) {
  const auto by = [&](const auto& key) { std::ranges::stable_sort(runs, {}, key); };
  switch (options.order) {
    case Order::folder:
      by([](const RunSummary& run) { return run.folder; });
      break;
    case Order::name:
      by([](const RunSummary& run) { return run.name.empty() ? run.folder.filename().string() : run.name; });
      break;
    case Order::best:
      by([](const RunSummary& run) { return run.best ? -run.best->accuracy : 1.0; });
      break;
    case Order::time:
      by([](const RunSummary& run) { return -run.seconds; });
      break;
    case Order::date:
      by([](const RunSummary& run) { return -run.modified; });
      break;
    case Order::epochs:
      by([](const RunSummary& run) { return -run.epochs_done; });
      break;
    case Order::state:
      by([](const RunSummary& run) { return run.state; });
      break;
  }
  if (options.reverse) std::ranges::reverse(runs);
}

nlohmann::ordered_json to_json(const FoundRuns& found) {
  nlohmann::ordered_json json{{"runs", nlohmann::ordered_json::array()},
                              {"unreadable", nlohmann::ordered_json::array()}};
  for (const RunSummary& run : found.runs) json["runs"].push_back(run_json(run));
  for (const Unreadable& one : found.unreadable)
    json["unreadable"].push_back({{"folder", to_utf8(one.folder.native())}, {"reason", to_utf8(one.reason)}});
  return json;
}

void print_table(const FoundRuns& found, const std::vector<fs::path>& folders, const RunsOptions& options) {
  const std::string prefix = folders.size() == 1 ? (folders.front() / "").string() : "";
  if (found.runs.empty()) {
    std::string places;
    for (const fs::path& folder : folders) places += (places.empty() ? "" : ", ") + folder.string();
    print_line(fmt::format("no runs{} in {}", options.tags.empty() ? "" : " with these tags", places));
  } else {
    print(format_runs(found.runs, prefix, output_width(), detect_terminal(stdout).colour));
  }
  for (const RunSummary& run : found.runs)
    if (!run.problem.empty()) print_line(fmt::format("note: {}", run.problem));
  for (const Unreadable& one : found.unreadable)
    print_line(fmt::format("note: {}: left out: {}", one.folder.string(), one.reason));
}

}  // namespace

CommandHelp runs_help() {
  RunsOptions options;
  return command_help(
      "usage: convmixer runs [FOLDER...] [--option value ...]\n\n"
      "Lists the runs in folders and below them, 'runs' unless others are given: model, epochs done and planned, the\n"
      "best accuracy and which images it is of (test, or held-out training images), the test accuracy of the best, "
      "the\n"
      "time in training, when it was last written to, and its state: running, stopped (goes on when started again),\n"
      "finished, failed (by an error; goes on as well) or died (killed; goes on as well). Links are not followed.\n"
      "Trainings are not disturbed.\n",
      std::vector<OptionGroup>{runs_group(options)});
}

int runs_command(std::span<const std::string> words) {
  RunsOptions options;
  const std::vector<OptionGroup> groups{runs_group(options)};
  const CommandLine line = parse_command_line(groups, words);
  assign(groups, line.settings);
  std::vector<fs::path> folders(line.arguments.begin(), line.arguments.end());
  if (folders.empty()) {
    folders.emplace_back("runs");
    std::error_code ignored;
    if (!fs::is_directory(folders.front(), ignored))
      fail_usage("runs: no such folder here: name the one with your runs, 'convmixer runs FOLDER'");
  }
  const bool to_output = options.json == "-";
  if (!to_output) require_outputs(std::array{OutputFile{"json", options.json}}, {});
  FoundRuns found = read_runs(folders, options);
  sort(found.runs, options);
  const auto text = [&] { return to_json(found).dump(2) + "\n"; };
  if (to_output) {
    print(text());
    return 0;
  }
  if (!options.json.empty()) write_file_atomically(options.json, text());
  print_table(found, folders, options);
  return 0;
}

}  // namespace convmixer::tool
