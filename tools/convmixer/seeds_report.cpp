#include "seeds_report.hpp"

#include "convmixer/core/plural.hpp"
#include "convmixer/core/printable.hpp"
#include "convmixer/core/sample_statistics.hpp"
#include "convmixer/train/duration.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

namespace convmixer::tool {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

/// A number that each run has.
struct Column {
  const char* title;
  const char* key;
  double (*value)(const RunResult& run);  ///< NaN if it isn't known
  std::string (*format)(double value);
};

double known(double accuracy) { return accuracy < 0.0 ? kUnknown : accuracy; }
std::string percent(double share) { return fmt::format("{:.2f}%", 100.0 * share); }

std::vector<Column> columns(bool holdout) {
  std::vector<Column> all{
      {"best epoch", "best_epoch",
       [](const RunResult& run) { return run.best_accuracy < 0.0 ? kUnknown : static_cast<double>(run.best_epoch); },
       [](double value) {
         return value == std::round(value) ? fmt::format("{}", value) : fmt::format("{:.1f}", value);
       }},
      {holdout ? "best holdout" : "best test", "best_accuracy",
       [](const RunResult& run) { return known(run.best_accuracy); }, percent},
      {holdout ? "last holdout" : "last test", "last_accuracy",
       [](const RunResult& run) { return known(run.last_accuracy); }, percent}};
  if (holdout)
    all.push_back({"test", "test_accuracy", [](const RunResult& run) { return known(run.test_accuracy); }, percent});
  all.push_back({"time", "seconds", [](const RunResult& run) { return run.seconds; }, format_time_left});
  return all;
}

/// Of runs of one configuration.
std::vector<Column> columns(std::span<const SeedResult> results) {
  return columns(!results.empty() && results.front().run.holdout);
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

/// Whole numbers as such in JSON.
Json number(double value) {
  if (std::isnan(value)) return nullptr;
  return value == std::round(value) && std::abs(value) < 1e15 ? Json(static_cast<std::int64_t>(value)) : Json(value);
}

std::string format_line(const std::string& name, std::size_t name_width, const std::vector<std::string>& cells) {
  std::string text = fmt::format("  {:<{}}", name, name_width);
  for (std::size_t i = 0; i < cells.size(); ++i) text += fmt::format("  {:>12}", cells[i]);
  return text;
}

}  // namespace

std::string format_seeds(std::span<const SeedResult> results, bool colour) {
  constexpr std::size_t kNameWidth = std::string_view("standard deviation").size();
  const auto cell = [](const Column& column, double value) {
    return std::isnan(value) ? std::string("-") : column.format(value);
  };
  std::vector<std::string> titles;
  for (const Column& column : columns(results)) titles.emplace_back(column.title);
  const std::string heading = format_line("seed", kNameWidth, titles);
  std::string text = colour ? fmt::format("\x1b[1m{}\x1b[0m\n", heading) : heading + "\n";
  for (const SeedResult& one : results) {
    std::vector<std::string> cells;
    for (const Column& column : columns(results)) cells.push_back(cell(column, column.value(one.run)));
    text += format_line(fmt::format("{}", one.seed), kNameWidth, cells);
    if (!one.run.ended) text += fmt::format("  not finished: {} so far", counted(one.run.epochs, "epoch"));
    text += '\n';
  }
  const std::vector<std::pair<const char*, double SampleStatistics::*>> rows{
      {"mean", &SampleStatistics::mean},
      {"standard deviation", &SampleStatistics::standard_deviation},
      {"standard error", &SampleStatistics::standard_error}};
  for (const auto& [name, field] : rows) {
    std::vector<std::string> cells;
    for (const Column& column : columns(results)) cells.push_back(cell(column, statistics(column, results).*field));
    text += format_line(name, kNameWidth, cells) + '\n';
  }
  return text;
}

std::string describe_seed(const SeedResult& one, std::span<const SeedResult> results) {
  std::string text = fmt::format("seed {}:", one.seed);
  if (one.run.best_accuracy >= 0.0) {
    text += fmt::format(" best {} accuracy {} in epoch {}, last {},", one.run.holdout ? "holdout" : "test",
                        percent(one.run.best_accuracy), one.run.best_epoch, percent(one.run.last_accuracy));
  }
  if (one.run.test_accuracy >= 0.0) {
    text += fmt::format(" test accuracy {},", percent(one.run.test_accuracy));
  }
  text += fmt::format(" {}", format_time_left(one.run.seconds));
  const std::vector<Column> all = columns(results);
  const auto best = std::ranges::find(all, std::string_view("best_accuracy"), &Column::key);
  const SampleStatistics so_far = statistics(*best, results);
  if (so_far.count < 2) return text;
  return text + fmt::format("; best of {} runs: mean {}, standard error {}", so_far.count, percent(so_far.mean),
                            percent(so_far.standard_error));
}

nlohmann::ordered_json seeds_json(std::span<const SeedResult> results, std::uint64_t first_seed, std::int64_t count) {
  Json runs = Json::array();
  for (const SeedResult& one : results) {
    Json run{{"seed", one.seed},
             {"folder", to_utf8(one.folder.native())},
             {"ended", one.run.ended},
             {"epochs", one.run.epochs}};
    for (const Column& column : columns(results)) run[column.key] = number(column.value(one.run));
    runs.push_back(std::move(run));
  }
  Json result{{"first_seed", first_seed}, {"count", count}, {"ended", count_ended(results)}, {"runs", std::move(runs)}};
  for (const Column& column : columns(results)) {
    const SampleStatistics found = statistics(column, results);
    result[column.key] = {{"mean", number(found.mean)},
                          {"standard_deviation", number(found.standard_deviation)},
                          {"standard_error", number(found.standard_error)}};
  }
  return result;
}

}  // namespace convmixer::tool
