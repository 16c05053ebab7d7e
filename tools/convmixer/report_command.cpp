#include "commands.hpp"
#include "convmixer/core/error.hpp"
#include "convmixer/core/file.hpp"
#include "convmixer/core/plural.hpp"
#include "convmixer/core/printable.hpp"
#include "convmixer/train/option_parser.hpp"
#include "convmixer/train/run_history.hpp"
#include "output.hpp"
#include "run_page/run_document.hpp"
#include "run_page/run_page.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <system_error>
#include <vector>

namespace convmixer::tool {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostRuns = 100;

struct ReportOptions {
  fs::path out = "report.html";
};

std::vector<OptionGroup> report_groups(ReportOptions& options) {
  return {{"Report", {path_option("out", options.out, "FILE", "write the page to this file")}}};
}

/// Throws Error (usage) where there are none, too many, or one twice.
void check_folders(const std::vector<std::string>& folders) {
  if (folders.empty()) fail_usage("report: no run is given: convmixer report RUN...");
  if (folders.size() > kMostRuns)
    fail_usage("report: {} runs are given, at most {} fit a page", folders.size(), kMostRuns);
  for (std::size_t i = 0; i < folders.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) {
      std::error_code ignored;
      if (fs::equivalent(folders[i], folders[j], ignored)) fail_usage("report: the run {} is given twice", folders[i]);
    }
}

Json read_run(const std::string& folder, std::size_t number) {
  const RunHistory run{fs::path(folder)};
  const std::string problem = run.problem();
  if (!problem.empty() && run.epochs().rows() == 0 && run.steps().rows() == 0) fail("{}", problem);
  if (!problem.empty()) print_line(fmt::format("note: {}", problem));
  return run_json(run, fmt::format("run-{}", number));
}

std::string size_text(std::size_t bytes) {
  constexpr double kKilo = 1000.0;
  const double kilobytes = static_cast<double>(bytes) / kKilo;
  return kilobytes < kKilo ? fmt::format("{:.0f} kB", kilobytes) : fmt::format("{:.1f} MB", kilobytes / kKilo);
}

}  // namespace

CommandHelp report_help() {
  ReportOptions options;
  return command_help(
      "usage: convmixer report RUN... [--out FILE]\n\n"
      "Writes a page about runs, each given by its folder: curves of loss, accuracy, learning rate, gradient norm and\n"
      "images/s over steps, epochs or time, several runs on top of one another; what differs between their settings;\n"
      "when they reached which accuracy; the machine and the log. It is one HTML file that any browser opens, without\n"
      "a server or a network. Runs that are being trained are shown as far as they are.\n",
      report_groups(options));
}

int report_command(std::span<const std::string> words) {
  ReportOptions options;
  const std::vector<OptionGroup> groups = report_groups(options);
  const CommandLine line = parse_command_line(groups, words);
  assign(groups, line.settings);
  check_folders(line.arguments);
  require_writable(options.out);
  std::vector<Json> runs;
  for (const std::string& folder : line.arguments) runs.push_back(read_run(folder, runs.size() + 1));
  const std::size_t count = runs.size();
  const std::string page = run_page(document_json(std::move(runs)));
  write_file_atomically(options.out, page);
  print_line(fmt::format("{} of {} in {}; open it in a browser", size_text(page.size()), counted(count, "run"),
                         options.out.native()));
  return 0;
}

}  // namespace convmixer::tool
