#include "run_log.hpp"

#include "convmixer/core/plural.hpp"
#include "convmixer/core/printable.hpp"
#include "convmixer/train/progress.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <utility>

namespace convmixer::tool {
namespace {

/// A number of a record, whatever it says: 0 where it says none.
double number_or_zero(const RecordTable& table, const std::string& name, std::size_t row) {
  const double number = table.number(name, row);
  return std::isfinite(number) ? number : 0.0;
}

std::int64_t whole(double number) {
  constexpr double kMost = 9e15;
  return std::abs(number) < kMost ? static_cast<std::int64_t>(number) : 0;
}

/// As it is told of people's clocks: "2026-11-29 08:00 UTC".
std::string moment(double unix_seconds) {
  const std::string text = utc_time(unix_seconds);
  return text.empty() ? "" : text.substr(0, 10) + " " + text.substr(11, 5) + " UTC  ";
}

std::string start_line(const SessionRecord& start) {
  const std::string what = start.step == 0 ? "started"
                                           : fmt::format("went on after {} and {}", counted(start.epoch, "epoch"),
                                                         counted(start.step, "step"));
  const std::string ranks = start.ranks > 1 ? fmt::format("{} ranks of ", start.ranks) : "";
  return fmt::format("{}{}: convmixer {}, {}{}, {}, {} plan", moment(start.unix_seconds), what, start.version, ranks,
                     counted(start.threads, "thread"), start.precision, start.plan);
}

std::string end_line(const EndRecord& end) {
  std::string why = end.error.empty() ? end.end : fmt::format("{}: {}", end.end, printable(end.error));
  if (end.error.empty()) std::ranges::replace(why, '_', ' ');  // "time_limit" is a word of the records
  return fmt::format("{}ended: {}", moment(end.unix_seconds), why);
}

/// Lines of sessions, each with the number of epochs that were finished when it was written.
std::vector<std::pair<std::int64_t, std::string>> session_lines(const RunHistory& run) {
  std::vector<std::pair<std::int64_t, std::string>> lines;
  for (const RunSession& session : run.sessions()) {
    lines.emplace_back(session.start.epoch, start_line(session.start));
    if (session.end) lines.emplace_back(session.end->epoch, end_line(*session.end));
  }
  return lines;
}

}  // namespace

std::string utc_time(double unix_seconds) {
  constexpr double kMost = 4e11;  // beyond it years have five digits
  if (!(unix_seconds > 0.0 && unix_seconds < kMost / 2)) return "";
  const auto seconds = static_cast<std::time_t>(unix_seconds);
  std::tm parts{};
  if (::gmtime_r(&seconds, &parts) == nullptr) return "";
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", parts);
}

EpochRecord epoch_record(const RunHistory& run, std::size_t row) {
  const RecordTable& table = run.epochs();
  const std::string of(run.epoch_images());
  const auto number = [&](const std::string& name) { return number_or_zero(table, name, row); };
  const auto evaluation = [&](const std::string& prefix) -> std::optional<EvaluationRecord> {
    if (!std::isfinite(table.number(prefix + "_accuracy", row))) return std::nullopt;
    return EvaluationRecord{.loss = table.number(prefix + "_loss", row),
                            .accuracy = table.number(prefix + "_accuracy", row),
                            .accuracy_top5 = number(prefix + "_top5")};
  };
  return {.epoch = whole(number("epoch")),
          .step = whole(number("step")),
          .holdout = of == "holdout",
          .loss = table.number("loss", row),
          .accuracy = number("accuracy"),
          .test = evaluation(of),
          .averaged = evaluation("ema_" + of),
          .learning_rate = number("learning_rate"),
          .images_per_second = number("images_per_s"),
          .wait_seconds = number("data_wait_s"),
          .communication_seconds = number("communication_s"),
          .communication_bytes = whole(number("communication_bytes")),
          .train_seconds = number("train_s"),
          .test_seconds = number(of + "_s"),
          .total_seconds = number("total_s"),
          .image_size = static_cast<int>(std::min<std::int64_t>(whole(number("image_size")), 1 << 20))};
}

std::vector<std::string> run_log(const RunHistory& run, std::size_t first) {
  const auto sessions = session_lines(run);
  const std::string best_name = fmt::format("best_{}_accuracy", run.epoch_images());
  std::vector<std::string> lines;
  std::size_t session = 0;
  const auto add_sessions = [&](double epochs, bool is_told) {
    for (; session < sessions.size() && static_cast<double>(sessions[session].first) <= epochs; ++session)
      if (!is_told) lines.push_back(sessions[session].second);
  };
  double best = -1.0;
  for (std::size_t row = 0; row < run.epochs().rows(); ++row) {
    const EpochRecord record = epoch_record(run, row);
    add_sessions(static_cast<double>(record.epoch) - 1.0, row < first);
    const double best_now = run.epochs().number(best_name, row);
    if (row >= first) lines.push_back(format_epoch_line(record, run.epochs_planned(), best_now > best, -1.0, 0, false));
    if (best_now > best) best = best_now;
  }
  add_sessions(std::numeric_limits<double>::infinity(), first > 0 && first == run.epochs().rows());
  if (const auto test = run.test(); test && first == 0) {
    const bool has_end = !lines.empty() && !run.sessions().empty() && run.sessions().back().end;
    lines.insert(lines.end() - (has_end ? 1 : 0), format_test_line(*test));  // a session ends with the test
  }
  return lines;
}

}  // namespace convmixer::tool
