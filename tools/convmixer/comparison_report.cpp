#include "comparison_report.hpp"

#include "convmixer/core/plural.hpp"
#include "convmixer/core/printable.hpp"
#include "convmixer/train/duration.hpp"
#include "runs_report.hpp"
#include "text_columns.hpp"
#include "text_table.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <functional>

namespace convmixer::tool {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kLeastColumn = 14;
constexpr std::size_t kBetweenRuns = 2;

/// A line of a table, with a cell for each run.
struct Row {
  std::string name;
  std::vector<std::string> cells;
};

double last_number(const RecordTable& table, std::string_view name) {
  for (std::size_t row = table.rows(); row-- > 0;)
    if (const double number = table.number(name, row); std::isfinite(number)) return number;
  return RecordTable::kNone;
}

std::string number(double value, int digits) {
  return std::isfinite(value) ? fmt::format("{:.{}f}", value, digits) : "-";
}

std::string at_epoch(const std::optional<EpochAccuracy>& accuracy) {
  return accuracy ? fmt::format("{}, epoch {}", format_accuracy(accuracy), accuracy->epoch) : "-";
}

Row row(std::span<const ComparedRun> runs, const std::string& name,
        const std::function<std::string(const ComparedRun&)>& cell) {
  Row result{name, {}};
  for (const ComparedRun& run : runs) result.cells.push_back(cell(run));
  return result;
}

/// A part of the session's record that may not be known.
std::function<std::string(const ComparedRun&)> of_machine(std::function<std::string(const SessionRecord&)> part) {
  return [part = std::move(part)](const ComparedRun& run) { return run.machine ? part(*run.machine) : "-"; };
}

std::vector<Row> figure_rows(std::span<const ComparedRun> runs) {
  std::vector<Row> rows{
      row(runs, "name", [](const auto& run) { return run.summary.name; }),
      row(runs, "tags", [](const auto& run) { return fmt::format("{}", fmt::join(run.summary.tags, ", ")); }),
      row(runs, "note", [](const auto& run) { return run.summary.note; }),
      row(runs, "model", [](const auto& run) { return run.summary.model; }),
      row(runs, "state", [](const auto& run) { return to_string(run.summary.state); }),
      row(runs, "epochs", [](const auto& run) { return format_epochs(run.summary); }),
      row(runs, "evaluated on", [](const auto& run) { return run.summary.evaluated_on; }),
      row(runs, "best accuracy", [](const auto& run) { return at_epoch(run.summary.best); }),
      row(runs, "last accuracy", [](const auto& run) { return at_epoch(run.summary.last); }),
      row(runs, "test accuracy",
          [](const auto& run) { return run.summary.test_accuracy ? format_accuracy(run.summary.test_accuracy) : ""; }),
      row(runs, "last loss", [](const auto& run) { return number(run.evaluated_loss, 4); }),
      row(runs, "training loss", [](const auto& run) { return number(run.train_loss, 4); }),
      row(runs, "training accuracy",
          [](const auto& run) {
            return format_accuracy(std::isfinite(run.train_accuracy) ? std::optional(run.train_accuracy)
                                                                     : std::nullopt);
          }),
      row(runs, "images/s", [](const auto& run) { return number(run.images_per_second, 0); }),
      row(runs, "time", [](const auto& run) { return format_time_left(run.summary.seconds); }),
      row(runs, "started", [](const auto& run) { return format_date(run.summary.started); }),
      row(runs, "cpu", of_machine([](const SessionRecord& m) { return m.cpu; })),
      row(runs, "threads", of_machine([](const SessionRecord& m) { return fmt::format("{}", m.threads); })),
      row(runs, "ranks",
          of_machine([](const SessionRecord& m) { return m.ranks > 1 ? fmt::format("{}", m.ranks) : ""; })),
      row(runs, "release", of_machine([](const SessionRecord& m) { return m.version; }))};
  std::erase_if(rows, [](const Row& one) {
    return std::ranges::all_of(one.cells, [](const auto& cell) { return cell.empty() || cell == "-"; });
  });
  return rows;
}

std::vector<Row> setting_rows(const SettingDifferences& differences) {
  std::vector<Row> rows;
  for (const SettingDifference& one : differences.differing) {
    Row& result = rows.emplace_back(Row{one.key, {}});
    for (const auto& value : one.values) result.cells.push_back(value ? *value : "-");
  }
  return rows;
}

/// The folders without what all of them begin with.
std::vector<std::string> titles_of(std::span<const ComparedRun> runs) {
  std::vector<std::string> titles;
  for (const ComparedRun& run : runs) titles.push_back(run.summary.folder.string());
  std::size_t common = titles.front().size();
  for (const std::string& title : titles) {
    const auto differs = std::ranges::mismatch(titles.front(), title).in1;
    common = std::min(common, static_cast<std::size_t>(differs - titles.front().begin()));
  }
  const std::size_t slash = common == 0 ? std::string::npos : titles.front().rfind('/', common - 1);
  for (std::string& title : titles) {
    if (slash != std::string::npos && slash + 1 < title.size()) title.erase(0, slash + 1);
    title = printable(title);
  }
  return titles;
}

/// As many runs side by side as fit, and the others below them.
std::string format_rows_of_runs(const std::string& heading, const std::vector<Row>& rows,
                                const std::vector<std::string>& titles, std::size_t width, bool colour) {
  TableColumn names{.title = heading};
  for (const Row& one : rows) names.cells.push_back(printable(one.name));
  std::size_t name_width = columns_of(heading);
  for (const std::string& name : names.cells) name_width = std::max(name_width, columns_of(name));
  const std::size_t room = width > name_width ? width - name_width : 1;
  const std::size_t in_a_part =
      width == 0 ? titles.size() : std::max<std::size_t>(1, room / (kLeastColumn + kBetweenRuns));
  std::string text;
  for (std::size_t first = 0; first < titles.size(); first += in_a_part) {
    std::vector<TableColumn> columns{names};
    for (std::size_t run = first; run < std::min(first + in_a_part, titles.size()); ++run) {
      TableColumn& column = columns.emplace_back(TableColumn{.title = titles[run], .least = kLeastColumn});
      for (const Row& one : rows) column.cells.push_back(printable(one.cells[run]));
    }
    if (first > 0) text += '\n';
    text += format_table(std::move(columns), width, colour);
  }
  return text;
}

Json machine_json(const std::optional<SessionRecord>& machine) {
  if (!machine) return {};
  return {{"cpu", to_utf8(machine->cpu)},    {"instruction_set", machine->instruction_set},
          {"threads", machine->threads},     {"ranks", machine->ranks},
          {"precision", machine->precision}, {"plan", machine->plan},
          {"onednn", machine->onednn},       {"version", machine->version}};
}

Json finite(double value) { return std::isfinite(value) ? Json(value) : Json(); }

std::vector<std::vector<RunSetting>> settings_of(std::span<const ComparedRun> runs) {
  std::vector<std::vector<RunSetting>> settings;
  for (const ComparedRun& run : runs) settings.push_back(run.settings);
  return settings;
}

}  // namespace

ComparedRun compared(const RunHistory& history) {
  const std::string of(history.epoch_images());
  const RecordTable& epochs = history.epochs();
  const double averaged = last_number(epochs, "ema_" + of + "_loss");
  ComparedRun run{.summary = summarise(history),
                  .settings = history.settings(),
                  .train_loss = last_number(epochs, "loss"),
                  .train_accuracy = last_number(epochs, "accuracy"),
                  .evaluated_loss = std::isfinite(averaged) ? averaged : last_number(epochs, of + "_loss"),
                  .images_per_second = last_number(epochs, "images_per_s")};
  if (!history.sessions().empty()) run.machine = history.sessions().back().start;
  return run;
}

std::string format_comparison(std::span<const ComparedRun> runs, std::size_t width, bool colour) {
  const SettingDifferences differences = setting_differences(settings_of(runs));
  const std::vector<std::string> titles = titles_of(runs);
  std::string text;
  if (!differences.differing.empty())
    text = format_rows_of_runs("setting", setting_rows(differences), titles, width, colour);
  text += differences.differing.empty() ? fmt::format("all {} are the same\n", counted(differences.equal, "setting"))
                                        : fmt::format("{} {} the same\n", counted(differences.equal, "other setting"),
                                                      differences.equal == 1 ? "is" : "are");
  return text + "\n" + format_rows_of_runs("result", figure_rows(runs), titles, width, colour);
}

Json comparison_json(std::span<const ComparedRun> runs) {
  Json json{{"runs", Json::array()}, {"settings", Json::array()}};
  for (const ComparedRun& run : runs) {
    Json one = run_json(run.summary);
    one["train_loss"] = finite(run.train_loss);
    one["train_accuracy"] = finite(run.train_accuracy);
    one["evaluated_loss"] = finite(run.evaluated_loss);
    one["images_per_s"] = finite(run.images_per_second);
    one["machine"] = machine_json(run.machine);
    json["runs"].push_back(std::move(one));
  }
  const SettingDifferences differences = setting_differences(settings_of(runs));
  for (const SettingDifference& difference : differences.differing) {
    Json values = Json::array();
    for (const auto& value : difference.values) values.push_back(value ? Json(to_utf8(*value)) : Json());
    json["settings"].push_back({{"key", to_utf8(difference.key)}, {"values", std::move(values)}});
  }
  json["equal_settings"] = differences.equal;
  return json;
}

}  // namespace convmixer::tool
