#include "runs_report.hpp"

#include "convmixer/core/printable.hpp"
#include "convmixer/train/duration.hpp"
#include "text_table.hpp"

#include <fmt/chrono.h>
#include <fmt/ranges.h>

#include <ctime>

namespace convmixer::tool {
namespace {

using Json = nlohmann::ordered_json;

Json accuracy_json(const std::optional<EpochAccuracy>& accuracy) {
  if (!accuracy) return {};
  return {{"epoch", accuracy->epoch}, {"accuracy", accuracy->accuracy}};
}

Json known(double number) { return number > 0.0 ? Json(number) : Json(); }

Json known(const std::string& text) { return text.empty() ? Json() : Json(to_utf8(text)); }

/// A column whose cells come of each run.
template <typename Cell>
TableColumn column(std::span<const RunSummary> runs, TableColumn column, const Cell& cell) {
  for (const RunSummary& run : runs) column.cells.push_back(cell(run));
  return column;
}

}  // namespace

std::string format_accuracy(const std::optional<double>& accuracy) {
  return accuracy ? fmt::format("{:.2f}%", 100.0 * *accuracy) : "-";
}

std::string format_accuracy(const std::optional<EpochAccuracy>& accuracy) {
  return format_accuracy(accuracy ? std::optional(accuracy->accuracy) : std::nullopt);
}

std::string format_epochs(const RunSummary& run) {
  return run.epochs_planned == 0 ? fmt::format("{}", run.epochs_done)
                                 : fmt::format("{}/{}", run.epochs_done, run.epochs_planned);
}

std::string format_date(double unix_seconds) {
  constexpr double kMost = 253402300799.0;  // the end of the year 9999
  if (!(unix_seconds > 0.0 && unix_seconds <= kMost)) return "-";
  const auto time = static_cast<std::time_t>(unix_seconds);
  std::tm parts{};
  if (::localtime_r(&time, &parts) == nullptr) return "-";
  return fmt::format("{:%Y-%m-%d %H:%M}", parts);
}

std::string format_runs(std::span<const RunSummary> runs, const std::string& prefix, std::size_t width, bool colour) {
  const auto folder = [&](const RunSummary& run) {
    const std::string whole = run.folder.string();
    return printable(whole.size() > prefix.size() && whole.starts_with(prefix) ? whole.substr(prefix.size()) : whole);
  };
  const auto best = [](const RunSummary& run) {
    return run.best ? fmt::format("{} {}", format_accuracy(run.best), run.evaluated_on) : "-";
  };
  const auto test = [](const RunSummary& run) { return run.test_accuracy ? format_accuracy(run.test_accuracy) : ""; };
  const auto tags = [](const RunSummary& run) { return printable(fmt::format("{}", fmt::join(run.tags, ", "))); };
  return format_table(
      {column(runs, {.title = "run", .least = 12}, folder),
       column(runs, {.title = "name", .least = 8, .spared = 3}, [](const auto& run) { return printable(run.name); }),
       column(runs, {.title = "model", .least = 8, .spared = 5}, [](const auto& run) { return printable(run.model); }),
       column(runs, {.title = "epochs", .right = true, .spared = 1}, format_epochs),
       column(runs, {.title = "best", .right = true}, best),
       column(runs, {.title = "test", .right = true, .spared = 2}, test),
       column(runs, {.title = "time", .right = true, .spared = 4},
              [](const auto& run) { return format_time_left(run.seconds); }),
       column(runs, {.title = "last written", .spared = 6}, [](const auto& run) { return format_date(run.modified); }),
       column(runs, {.title = "state"}, [](const auto& run) { return to_string(run.state); }),
       column(runs, {.title = "tags", .least = 6, .spared = 7}, tags)},
      width, colour);
}

Json run_json(const RunSummary& run) {
  Json tags = Json::array();
  for (const std::string& tag : run.tags) tags.push_back(to_utf8(tag));
  return {{"folder", to_utf8(run.folder.native())},
          {"name", known(run.name)},
          {"tags", tags},
          {"note", known(run.note)},
          {"model", to_utf8(run.model)},
          {"state", to_string(run.state)},
          {"error", known(run.error)},
          {"epochs", run.epochs_done},
          {"epochs_planned", run.epochs_planned > 0 ? Json(run.epochs_planned) : Json()},
          {"evaluated_on", run.evaluated_on},
          {"best", accuracy_json(run.best)},
          {"last", accuracy_json(run.last)},
          {"test_accuracy", run.test_accuracy ? Json(*run.test_accuracy) : Json()},
          {"seconds", run.seconds},
          {"started", known(run.started)},
          {"modified", known(run.modified)},
          {"problem", known(run.problem)}};
}

}  // namespace convmixer::tool
