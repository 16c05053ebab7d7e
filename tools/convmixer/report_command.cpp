#include "commands.hpp"
#include "convmixer/core/error.hpp"
#include "convmixer/core/file.hpp"
#include "convmixer/core/plural.hpp"
#include "convmixer/core/printable.hpp"
#include "convmixer/train/option_parser.hpp"
#include "convmixer/train/run_figures.hpp"
#include "convmixer/train/run_history.hpp"
#include "output.hpp"
#include "run_page/figures_json.hpp"
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

/// What is shown besides curves and tables.
enum class Figures { all, stored, none };

struct ReportOptions {
  fs::path out = "report.html";
  Figures figures = Figures::all;
  fs::path data;
};

std::vector<OptionGroup> report_groups(ReportOptions& options) {
  return {{"Report",
           {path_option("out", options.out, "FILE", "write the page to this file"),
            choice_option("figures", options.figures,
                          {{"all", Figures::all}, {"stored", Figures::stored}, {"none", Figures::none}},
                          "confusion and worst mistakes, filters, training images: all, which evaluates the best "
                          "weights where that wasn't done before; stored, without evaluating any; or none"),
            path_option("data", options.data, "FOLDER",
                        "where the images are now, if elsewhere than when the runs were trained")}}};
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

/// What there is to see of a run's weights and images; several runs share the page's room.
Json read_figures(const RunHistory& run, const ReportOptions& options, std::size_t runs) {
  constexpr std::size_t kFew = 3;
  RunFiguresOptions wanted;
  wanted.evaluation = options.figures == Figures::all ? EvaluationUse::computed : EvaluationUse::stored;
  wanted.evaluated.data = options.data;
  wanted.evaluated.note = print_line;
  wanted.evaluated.progress = [&, is_told = false](std::int64_t, std::int64_t images) mutable {
    if (!is_told)
      print_line(fmt::format("{}: its best weights are evaluated on {} images", run.folder().path.native(),
                             with_commas(images)));
    is_told = true;
  };
  if (runs > kFew) {
    wanted.evaluated.mistakes = 12;
    wanted.samples = 0;
    wanted.filters.most_filters = 64;
  }
  return figures_json(draw_run_figures(run.folder(), wanted));
}

Json read_run(const std::string& folder, std::size_t number, const ReportOptions& options, std::size_t runs) {
  const RunHistory run{fs::path(folder)};
  const std::string problem = run.problem();
  if (!problem.empty() && run.epochs().rows() == 0 && run.steps().rows() == 0) fail("{}", problem);
  if (!problem.empty()) print_line(fmt::format("note: {}", problem));
  Json json = run_json(run, fmt::format("run-{}", number));
  if (options.figures != Figures::none) json["figures"] = read_figures(run, options, runs);
  return json;
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
      "when they reached which accuracy; the machine and the log; what the best weights take for what, their worst\n"
      "mistakes, the filters, and the images that were trained on. It is one HTML file that any browser opens, "
      "without\n"
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
  for (const std::string& folder : line.arguments)
    runs.push_back(read_run(folder, runs.size() + 1, options, line.arguments.size()));
  const std::size_t count = runs.size();
  const std::string page = run_page(document_json(std::move(runs)));
  write_file_atomically(options.out, page);
  print_line(fmt::format("{} of {} in {}; open it in a browser", size_text(page.size()), counted(count, "run"),
                         options.out.native()));
  return 0;
}

}  // namespace convmixer::tool
