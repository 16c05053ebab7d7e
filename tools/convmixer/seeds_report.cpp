#include "seeds_report.hpp"

#include "convmixer/core/plural.hpp"
#include "convmixer/core/printable.hpp"
#include "convmixer/core/sample_statistics.hpp"
#include "convmixer/train/duration.hpp"
#include "percent.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

namespace convmixer::tool {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

/// A number that each run has.
struct Column {
  std::string title;
  std::string key;
  double (*value)(const RunResult& run);  ///< NaN if it isn't known
  std::string (*format)(double value);
};

double known_accuracy(double accuracy) { return accuracy < 0.0 ? kUnknown : accuracy; }
std::string whole_or_tenths(double value) {
  return value == std::round(value) ? fmt::format("{}", value) : fmt::format("{:.1f}", value);
}

Column best_accuracy(const std::string& images) {
  return {"best " + images, "best_accuracy", [](const RunResult& run) { return known_accuracy(run.best_accuracy); },
          percent};
}

std::string images_of(const SeedsGoal& goal) { return goal.holdout ? "holdout" : "test"; }

std::vector<Column> columns_of(const SeedsGoal& goal) {
  std::vector<Column> columns{
      {"best epoch", "best_epoch",
       [](const RunResult& run) { return run.best_accuracy < 0.0 ? kUnknown : static_cast<double>(run.best_epoch); },
       whole_or_tenths},
      best_accuracy(images_of(goal)),
      {"last " + images_of(goal), "last_accuracy",
       [](const RunResult& run) { return known_accuracy(run.last_accuracy); }, percent}};
  if (goal.holdout)
    columns.push_back(
        {"test", "test_accuracy", [](const RunResult& run) { return known_accuracy(run.test_accuracy); }, percent});
  if (goal.until_accuracy > 0.0) {
    columns.push_back(
        {"reached in", "until_epoch",
         [](const RunResult& run) { return run.reached ? static_cast<double>(run.reached->epoch) : kUnknown; },
         whole_or_tenths});
    columns.push_back({"after", "until_seconds",
                       [](const RunResult& run) { return run.reached ? run.reached->seconds : kUnknown; },
                       format_time_left});
  }
  columns.push_back({"time", "seconds", [](const RunResult& run) { return run.seconds; }, format_time_left});
  return columns;
}

SampleStatistics statistics(const Column& column, std::span<const SeedResult> results) {
  std::vector<double> values;
  for (const SeedResult& one : results) {
    const double value = column.value(one.run);
    if (one.run.ended && !std::isnan(value)) values.push_back(value);
  }
  return sample_statistics(values);
}

std::int64_t count_ended(std::span<const SeedResult> results) {
  return std::ranges::count_if(results, [](const SeedResult& one) { return one.run.ended; });
}

std::int64_t count_reached(std::span<const SeedResult> results) {
  return std::ranges::count_if(results, [](const SeedResult& one) { return one.run.reached.has_value(); });
}

Json number(double value) { return std::isnan(value) ? Json() : Json(value); }

/// Of one run: epochs are whole numbers.
Json number(const Column& column, double value) {
  if (std::isnan(value) || column.format != whole_or_tenths) return number(value);
  return static_cast<std::int64_t>(value);
}

/// A cell for each column.
std::string format_line(const std::string& name, std::span<const Column> columns,
                        const std::vector<std::string>& cells) {
  constexpr std::size_t kNameWidth = std::string_view("standard deviation").size();
  constexpr std::size_t kLeastWidth = 10;
  std::string text = fmt::format("  {:<{}}", name, kNameWidth);
  for (std::size_t i = 0; i < cells.size(); ++i)
    text += fmt::format("  {:>{}}", cells[i], std::max(kLeastWidth, columns[i].title.size()));
  return text;
}

}  // namespace

std::string format_seeds(const SeedsGoal& goal, std::span<const SeedResult> results, bool colour) {
  const std::vector<Column> columns = columns_of(goal);
  const auto cell = [](const Column& column, double value) {
    return std::isnan(value) ? std::string("-") : column.format(value);
  };
  std::vector<std::string> titles;
  for (const Column& column : columns) titles.push_back(column.title);
  const std::string heading = format_line("seed", columns, titles);
  std::string text = colour ? fmt::format("\x1b[1m{}\x1b[0m\n", heading) : heading + "\n";
  for (const SeedResult& one : results) {
    std::vector<std::string> cells;
    for (const Column& column : columns) cells.push_back(cell(column, column.value(one.run)));
    text += format_line(fmt::format("{}", one.seed), columns, cells);
    if (!one.run.ended) text += fmt::format("  not finished: {} so far", counted(one.run.epochs, "epoch"));
    text += '\n';
  }
  const std::vector<std::pair<const char*, double SampleStatistics::*>> rows{
      {"mean", &SampleStatistics::mean},
      {"standard deviation", &SampleStatistics::standard_deviation},
      {"standard error", &SampleStatistics::standard_error}};
  for (const auto& [name, field] : rows) {
    std::vector<std::string> cells;
    for (const Column& column : columns) cells.push_back(cell(column, statistics(column, results).*field));
    text += format_line(name, columns, cells) + '\n';
  }
  if (goal.until_accuracy > 0.0)
    text += fmt::format("  {} of {} reached an accuracy of {}\n", count_reached(results),
                        counted(results.size(), "run"), percent(goal.until_accuracy));
  return text;
}

std::string describe_seed(const SeedsGoal& goal, const SeedResult& one, std::span<const SeedResult> results) {
  std::string text = fmt::format("seed {}:", one.seed);
  if (one.run.best_accuracy >= 0.0) {
    text += fmt::format(" best {} accuracy {} in epoch {},", images_of(goal), percent(one.run.best_accuracy),
                        one.run.best_epoch);
  }
  if (one.run.last_accuracy >= 0.0) {
    text += fmt::format(" last {},", percent(one.run.last_accuracy));
  }
  if (one.run.test_accuracy >= 0.0) text += fmt::format(" test accuracy {},", percent(one.run.test_accuracy));
  text += fmt::format(" {}", format_time_left(one.run.seconds));
  const SampleStatistics so_far = statistics(best_accuracy(images_of(goal)), results);
  if (so_far.count < 2) return text;
  return text + fmt::format("; best of {} runs: mean {}, standard error {}", so_far.count, percent(so_far.mean),
                            percent(so_far.standard_error));
}

nlohmann::ordered_json seeds_json(const SeedsGoal& goal, std::span<const SeedResult> results, std::uint64_t first_seed,
                                  std::int64_t count) {
  const std::vector<Column> columns = columns_of(goal);
  Json runs = Json::array();
  for (const SeedResult& one : results) {
    Json run{{"seed", one.seed},
             {"folder", to_utf8(one.folder.native())},
             {"ended", one.run.ended},
             {"epochs", one.run.epochs}};
    for (const Column& column : columns) run[column.key] = number(column, column.value(one.run));
    runs.push_back(std::move(run));
  }
  Json result{
      {"first_seed", first_seed}, {"count", count}, {"ended", count_ended(results)}, {"evaluated_on", images_of(goal)}};
  if (goal.until_accuracy > 0.0) {
    result["until_accuracy"] = goal.until_accuracy;
    result["reached"] = count_reached(results);
  }
  result["runs"] = std::move(runs);
  for (const Column& column : columns) {
    const SampleStatistics found = statistics(column, results);
    result[column.key] = {{"mean", number(found.mean)},
                          {"standard_deviation", number(found.standard_deviation)},
                          {"standard_error", number(found.standard_error)}};
  }
  return result;
}

}  // namespace convmixer::tool
