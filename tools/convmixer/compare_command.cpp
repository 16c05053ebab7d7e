#include "commands.hpp"
#include "comparison_report.hpp"
#include "convmixer/core/error.hpp"
#include "convmixer/core/file.hpp"
#include "convmixer/core/terminal.hpp"
#include "convmixer/train/option_parser.hpp"
#include "convmixer/train/output_files.hpp"
#include "output.hpp"
#include "text_table.hpp"

#include <array>
#include <cstdio>
#include <filesystem>
#include <vector>

namespace convmixer::tool {
namespace {

namespace fs = std::filesystem;

OptionGroup compare_group(fs::path& json) {
  return {"Compare",
          {path_option("json", json, "FILE",
                       "write the comparison to this file as well; -: to standard output instead of the tables")}};
}

}  // namespace

CommandHelp compare_help() {
  fs::path json;
  return command_help(
      "usage: convmixer compare RUN RUN... [--option value ...]\n\n"
      "Compares the runs in two or more folders: the settings in which they differ, and what they came to, side by\n"
      "side: accuracies, losses, speed, time, machine. A setting that an earlier release didn't have counts with its\n"
      "default, as what that release did.\n",
      std::vector<OptionGroup>{compare_group(json)});
}

int compare_command(std::span<const std::string> words) {
  fs::path json;
  const std::vector<OptionGroup> groups{compare_group(json)};
  const CommandLine line = parse_command_line(groups, words);
  assign(groups, line.settings);
  if (line.arguments.size() < 2) {
    fail_usage(
        "expected the folders of two or more runs: 'convmixer compare RUN RUN...'; 'convmixer runs' lists "
        "them");
  }
  const bool to_output = json == "-";
  if (!to_output) require_outputs(std::array{OutputFile{"json", json}}, {});
  std::vector<ComparedRun> runs;
  for (const std::string& folder : line.arguments) {
    const RunHistory history(folder);
    runs.push_back(compared(history));
    if (!history.problem().empty() && !to_output) print_line("note: " + history.problem());
  }
  if (to_output) {
    print(comparison_json(runs).dump(2) + "\n");
    return 0;
  }
  if (!json.empty()) write_file_atomically(json, comparison_json(runs).dump(2) + "\n");
  print(format_comparison(runs, output_width(), detect_terminal(stdout).colour));
  return 0;
}

}  // namespace convmixer::tool
