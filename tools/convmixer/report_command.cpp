#include "commands.hpp"
#include "convmixer/core/error.hpp"
#include "convmixer/core/file.hpp"
#include "convmixer/core/plural.hpp"
#include "convmixer/core/printable.hpp"
#include "convmixer/train/find_runs.hpp"
#include "convmixer/train/option_parser.hpp"
#include "convmixer/train/output_files.hpp"
#include "convmixer/train/run_figures.hpp"
#include "convmixer/train/run_history.hpp"
#include "output.hpp"
#include "run_page/figures_json.hpp"
#include "run_page/run_document.hpp"
#include "run_page/run_page.hpp"

#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <sys/resource.h>
#include <system_error>
#include <vector>

namespace convmixer::tool {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostRunsOfAPage = 100;

/// Of so many runs all figures are made unless told otherwise, and there is room for all of each.
constexpr std::size_t kFewRuns = 3;

/// What is shown besides curves and tables.
enum class Figures { automatic, all, stored, none };

struct ReportOptions {
  fs::path out = "report.html";
  Figures figures = Figures::automatic;
  fs::path data;
};

std::vector<OptionGroup> report_groups(ReportOptions& options) {
  return {{"Report",
           {path_option("out", options.out, "FILE", "write the page to this file"),
            choice_option("figures", options.figures,
                          {{"automatic", Figures::automatic},
                           {"all", Figures::all},
                           {"stored", Figures::stored},
                           {"none", Figures::none}},
                          "confusion and worst mistakes, filters, training images: all, which evaluates the best "
                          "weights where that wasn't done before, at a low priority; stored, without evaluating any; "
                          "none; automatic is all for up to three runs and stored for more"),
            path_option("data", options.data, "FOLDER",
                        "where the images are now, if elsewhere than when the runs were trained")}}};
}

/// What is given is a run's folder, or one with runs below it, which all are meant.
std::vector<fs::path> run_folders(const std::vector<std::string>& given) {
  std::vector<fs::path> folders;
  for (const std::string& one : given) {
    std::error_code ignored;
    const bool may_have_runs_below = fs::is_directory(one, ignored) && !holds_run({one});
    const std::vector<fs::path> below = may_have_runs_below ? find_runs(one) : std::vector<fs::path>{};
    folders.insert(folders.end(), below.begin(), below.end());
    if (below.empty()) folders.emplace_back(one);  // reading it says what is wrong
  }
  return folders;
}

/// Throws Error (usage) where there are none, too many, or one twice.
void check_folders(const std::vector<fs::path>& folders) {
  if (folders.empty()) fail_usage("report: no run is given: convmixer report RUN...");
  if (folders.size() > kMostRunsOfAPage)
    fail_usage("report: {} runs are given, at most {} fit a page", folders.size(), kMostRunsOfAPage);
  for (std::size_t i = 0; i < folders.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) {
      std::error_code ignored;
      if (fs::equivalent(folders[i], folders[j], ignored))
        fail_usage("report: the run {} is given twice", folders[i].string());
    }
}

/// What there is to see of a run's weights and images; several runs share the page's room.
Json read_figures(const fs::path& folder, const ReportOptions& options, std::size_t runs) {
  const bool is_few = runs <= kFewRuns;
  const bool may_evaluate = options.figures == Figures::all || (options.figures == Figures::automatic && is_few);
  RunFiguresOptions wanted;
  wanted.evaluation = may_evaluate ? EvaluationUse::computed : EvaluationUse::stored;
  wanted.evaluated.data = options.data;
  wanted.evaluated.note = print_line;
  wanted.evaluated.progress = [&, is_told = false](std::int64_t, std::int64_t images) mutable {
    if (!is_told)
      print_line(fmt::format("{}: its best weights are evaluated on {} images", folder.native(), with_commas(images)));
    is_told = true;
  };
  if (!is_few) {
    wanted.evaluated.mistakes = 12;
    wanted.samples = 0;
    wanted.filters.most_filters = 64;
  }
  return figures_json(draw_run_figures({folder}, wanted));
}

Json read_run(const fs::path& folder, std::size_t number) {
  const RunHistory run(folder);
  const std::string problem = run.problem();
  if (!problem.empty() && run.epochs().rows() == 0 && run.steps().rows() == 0) fail("{}", problem);
  if (!problem.empty()) print_line(fmt::format("note: {}", problem));
  return run_json(run, fmt::format("run-{}", number));
}

/// From here on what trains goes first: evaluations take long. What comes before doesn't, and whoever asked waits for
/// it.
void step_back() {
  constexpr int kBesideTrainings = 10;
  ::setpriority(PRIO_PROCESS, 0, kBesideTrainings);
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
      "Writes a page about runs, given by their folders, or by one that they are below: curves of loss, accuracy,\n"
      "learning rate, gradient norm and images/s over steps, epochs or time, several runs on top of one another; what\n"
      "differs between their settings; when they reached which accuracy; the machine and the log; what the best\n"
      "weights take for what, their worst mistakes, the filters, and the images that were trained on. It is one HTML\n"
      "file that any browser opens, without a server or a network. Runs that are being trained are shown as far as\n"
      "they are.\n",
      report_groups(options));
}

int report_command(std::span<const std::string> words) {
  ReportOptions options;
  const std::vector<OptionGroup> groups = report_groups(options);
  const CommandLine line = parse_command_line(groups, words);
  assign(groups, line.settings);
  const std::vector<fs::path> folders = run_folders(line.arguments);
  check_folders(folders);
  require_outputs(std::array{OutputFile{"out", options.out}}, {});
  std::error_code error;
  if (!options.data.empty() && !fs::exists(options.data, error))
    fail("--data {}: {}", options.data.string(), error ? error.message() : "not there");
  std::vector<Json> runs;
  for (const fs::path& folder : folders) runs.push_back(read_run(folder, runs.size() + 1));
  if (options.figures != Figures::none) {
    step_back();
    for (std::size_t i = 0; i < runs.size(); ++i) runs[i]["figures"] = read_figures(folders[i], options, runs.size());
  }
  const std::size_t count = runs.size();
  const std::string page = run_page(document_json(std::move(runs)));
  write_file_atomically(options.out, page);
  print_line(fmt::format("{} of {} in {}; open it in a browser", size_text(page.size()), counted(count, "run"),
                         options.out.native()));
  return 0;
}

}  // namespace convmixer::tool
