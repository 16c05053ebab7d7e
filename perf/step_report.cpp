#include "step_report.hpp"

#include "convmixer/core/cpu.hpp"
#include "convmixer/core/plural.hpp"
#include "convmixer/model/model_file.hpp"
#include "units.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace convmixer::perf {

namespace {

constexpr double kMebi = 1024.0 * 1024.0;

double gigaflop(std::int64_t multiply_adds, std::int64_t images) {
  return 2.0 * kPerGiga * static_cast<double>(multiply_adds) * static_cast<double>(images);
}

std::string layout_name(LayoutPolicy layout) {
  switch (layout) {
    case LayoutPolicy::channels_last:
      return "channels-last";
    case LayoutPolicy::blocked:
      return "blocked";
    case LayoutPolicy::automatic:
      break;
  }
  return "automatic";
}

std::string split_text(const StepReport& report) {
  std::size_t operation = 0;
  double sum = 0.0;
  for (const SplitRow& row : report.split) {
    operation = std::max(operation, row.operation.size());
    sum += row.seconds;
  }
  std::string text = fmt::format("\n  {:<{}}  {:<16}  {:>5}  {:>9}  {:>6}  implementation\n", "operation", operation,
                                 "direction", "calls", "ms", "share");
  for (const SplitRow& row : report.split) {
    const std::string calls = row.calls > 0 ? fmt::format("{}", row.calls) : "";
    const std::string line =
        fmt::format("  {:<{}}  {:<16}  {:>5}  {:>9.3f}  {:>5.1f}%  {}", row.operation, operation, row.direction, calls,
                    kMilli * row.seconds, 100.0 * row.seconds / sum, fmt::join(row.implementations, ", "));
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return text + fmt::format("  {:<{}}  {:<16}  {:>5}  {:>9.3f}\n", "sum", operation, "", "", kMilli * sum);
}

nlohmann::ordered_json split_json(const StepReport& report) {
  auto rows = nlohmann::ordered_json::array();
  for (const SplitRow& row : report.split) {
    rows.push_back({{"operation", row.operation},
                    {"direction", row.direction},
                    {"calls", row.calls},
                    {"ms", kMilli * row.seconds},
                    {"implementations", row.implementations}});
  }
  return rows;
}

/// Its settings under their names in a weights file's metadata, and its task.
nlohmann::ordered_json model_json(ModelConfig model) {
  nlohmann::ordered_json sizes;
  for (const ModelSetting& setting : entry_of(model).settings) {
    const auto* const size = std::get_if<SizeSetting>(&setting.kind);
    if (size != nullptr) {
      sizes[metadata_key(setting)] = size->value(model);
    } else {
      sizes[metadata_key(setting)] = setting_text(setting, model);
    }
  }
  const ClassificationTask task = task_of(model);
  sizes["image_size"] = task.image_size;
  sizes["channels"] = task.channels;
  sizes["classes"] = task.classes;
  return sizes;
}

}  // namespace

double StepReport::images_per_second(double seconds) const {
  return static_cast<double>(options.config.batch_size) / seconds;
}

StepReport make_report(const StepOptions& options, const ThreadCount& threads, const StepMeasurement& measurement,
                       const MeasuredPeaks& peaks) {
  std::vector<double> totals;
  for (const StepTimes& step : measurement.steps) totals.push_back(step.total);
  return {options,
          threads,
          measurement,
          peaks,
          summarise(totals),
          split(measurement.kinds, measurement.steps),
          ideal_seconds(measurement.work, options.config.batch_size, peaks.peaks) / measurement.ranks};
}

std::string to_text(const StepReport& report) {
  const StepMeasurement& m = report.measurement;
  const int image_size = task_of(m.model).image_size;
  const std::int64_t batch = report.options.config.batch_size;
  const double relative_spread = report.step_seconds.mad / report.step_seconds.median;
  std::string text = fmt::format(
      "{} of {}, images {} x {}, batch {}{}, {}, {} plan, {}{}\n",
      report.options.inference ? "inference" : "training step", describe(m.model), image_size, image_size, batch,
      m.micro_batches.count() == 1 ? "" : " in " + describe(m.micro_batches), to_string(m.precision), to_string(m.plan),
      m.ranks > 1 ? fmt::format("{} ranks of {}", m.ranks, counted(report.threads.count, "thread"))
                  : counted(report.threads.count, "thread"),
      report.options.config.pin_threads ? ", pinned" : "");
  text += fmt::format("  images/s  {:.1f} +- {:.1f}% (median of {} and their median distance from it)\n",
                      report.images_per_second(report.step_seconds.median), 100.0 * relative_spread,
                      counted(m.steps.size(), "step"));
  text += fmt::format("  step      {:.3f} ms\n", kMilli * report.step_seconds.median);
  if (m.ranks > 1) {
    const auto steps = static_cast<double>(m.steps.size());
    text += fmt::format("  exchange  {:.3f} ms of it: {:.1f} messages and {:.3f} MiB that rank 0 sends\n",
                        kMilli * m.exchanged.seconds / steps, static_cast<double>(m.exchanged.messages) / steps,
                        static_cast<double>(m.exchanged.bytes) / kMebi / steps);
  }
  text += fmt::format(
      "  limit     {:.1f} images/s: {:.3f} GFLOP at {:.1f} GFLOP/s ({} matrix product, {}) and {:.3f} "
      "GFLOP at {:.1f} GFLOP/s (f32 multiply-adds, {})\n",
      report.images_per_second(report.limit_seconds), gigaflop(m.work.matrix, batch),
      kPerGiga * report.peaks.peaks.matrix, to_string(report.peaks.matrix_precision),
      report.peaks.matrix_implementation, gigaflop(m.work.depthwise, batch), kPerGiga * report.peaks.peaks.fma,
      report.peaks.fma_implementation);
  text += fmt::format("  fraction  {:.3f} of the limit\n", report.fraction_of_limit());
  text += fmt::format("  memory    {:.1f} MiB at most, {:.1f} MiB of them planned\n",
                      static_cast<double>(m.peak_rss) / kMebi, static_cast<double>(m.planned.total()) / kMebi);
  return text + split_text(report);
}

nlohmann::ordered_json to_json(const StepReport& report, const std::string& commit) {
  const StepMeasurement& m = report.measurement;
  const Summary& step = report.step_seconds;
  const std::int64_t batch = report.options.config.batch_size;
  const OnednnInfo onednn = Engine::onednn_info();
  std::vector<double> step_ms;
  for (const StepTimes& times : m.steps) step_ms.push_back(kMilli * times.total);
  return {{"program", "step_bench"},
          {"commit", commit},
          {"cpu", cpu_info().model},
          {"onednn", {{"version", onednn.version}, {"runtime", onednn.runtime}, {"isa", onednn.instructions}}},
          {"threads", report.threads.count},
          {"threads_reason", report.threads.reason},
          {"ranks", m.ranks},
          {"exchange_ms", kMilli * m.exchanged.seconds / static_cast<double>(m.steps.size())},
          {"exchange_messages", static_cast<double>(m.exchanged.messages) / static_cast<double>(m.steps.size())},
          {"exchange_bytes", static_cast<double>(m.exchanged.bytes) / static_cast<double>(m.steps.size())},
          {"threads_pinned", report.options.config.pin_threads},
          {"mode", report.options.inference ? "inference" : "training"},
          {"model_name", entry_of(m.model).name},
          {"description", describe(m.model)},
          {"model", model_json(m.model)},
          {"parameters", m.parameters},
          {"batch_size", batch},
          {"micro_batch", m.micro_batches.count() == 1 ? batch : m.micro_batches.largest()},
          {"precision", to_string(m.precision)},
          {"plan", to_string(m.plan)},
          {"layout", layout_name(report.options.config.layout)},
          {"steps", m.steps.size()},
          {"warmup", report.options.warmup},
          {"images_per_s", report.images_per_second(step.median)},
          {"step_ms_median", kMilli * step.median},
          {"step_ms_mad", kMilli * step.mad},
          {"step_ms", step_ms},
          {"matrix_gflop", gigaflop(m.work.matrix, batch)},
          {"depthwise_gflop", gigaflop(m.work.depthwise, batch)},
          {"matrix_peak_gflops", kPerGiga * report.peaks.peaks.matrix},
          {"matrix_peak_implementation", report.peaks.matrix_implementation},
          {"fma_peak_gflops", kPerGiga * report.peaks.peaks.fma},
          {"fma_peak_implementation", report.peaks.fma_implementation},
          {"limit_images_per_s", report.images_per_second(report.limit_seconds)},
          {"fraction_of_limit", report.fraction_of_limit()},
          {"peak_rss_mib", static_cast<double>(m.peak_rss) / kMebi},
          {"planned_mib", static_cast<double>(m.planned.total()) / kMebi},
          {"split", split_json(report)}};
}

}  // namespace convmixer::perf
