#include "convmixer/core/plural.hpp"
#include "convmixer/core/trace_summary.hpp"
#include "convmixer/train/step_profiler.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace convmixer {
namespace {

constexpr std::string_view kHead = "operation, without those inside of it";
constexpr std::string_view kOutside = "in no operation";
constexpr std::string_view kStep = "step";

double milliseconds(std::int64_t nanoseconds) { return static_cast<double>(nanoseconds) * 1e-6; }

double percent(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? 0.0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

std::string format_threads(const TraceSummary& summary, std::int64_t duration) {
  std::size_t width = std::string_view("thread").size();
  for (const ThreadTime& row : summary.threads) width = std::max(width, row.thread.size());
  std::string text = fmt::format("  {:<{}}  share of its time in operations\n", "thread", width);
  for (const ThreadTime& row : summary.threads) {
    text += fmt::format("  {:<{}}  {:>5.1f}%\n", row.thread, width, percent(row.in_spans, duration));
  }
  return text;
}

}  // namespace

std::string format_profile(const Trace& trace, std::int64_t steps) {
  const TraceSummary summary = summarise(trace, kTrainingThread);
  const auto count = static_cast<double>(std::max<std::int64_t>(steps, 1));
  std::size_t width = kHead.size();
  for (const OperationTime& row : summary.operations) width = std::max(width, row.operation.size());

  std::string text = fmt::format("  {:<{}}  calls a step  ms a step   share  ms on other threads\n", kHead, width);
  const auto add = [&](std::string_view name, std::string_view calls, std::int64_t on_main, std::int64_t elsewhere) {
    const std::string others = elsewhere == 0 ? "" : fmt::format("  {:>19.3f}", milliseconds(elsewhere) / count);
    text += fmt::format("  {:<{}}  {:>12}  {:>9.3f}  {:>5.1f}%{}\n", name, width, calls, milliseconds(on_main) / count,
                        percent(on_main, trace.duration), others);
  };
  std::int64_t elsewhere = 0;
  for (const OperationTime& row : summary.operations) {
    add(row.operation, fmt::format("{:.4g}", static_cast<double>(row.spans) / count), row.on_main, row.elsewhere);
    elsewhere += row.elsewhere;
  }
  add(kOutside, "", summary.outside, 0);
  add(kStep, "", trace.duration, elsewhere);
  text += '\n' + format_threads(summary, trace.duration);
  if (trace.dropped > 0) {
    text += fmt::format("  {} found no room: figures are too low; with fewer --profile-steps there is more\n",
                        counted(trace.dropped, "span"));
  }
  return text;
}

}  // namespace convmixer
