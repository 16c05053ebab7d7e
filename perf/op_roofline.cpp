#include "op_roofline.hpp"

#include "convmixer/model/registry.hpp"
#include "units.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace convmixer::perf {

namespace {

std::string panel_title(const Setting& setting) {
  const ModelDescription model = entry_of(setting.model).describe(setting.model);
  const int size = task_of(setting.model).image_size;
  return fmt::format("{} in {}: {}, images {} x {}, batch {}", model.name, setting.precision(), model.details, size,
                     size, setting.batch);
}

std::vector<RooflineRoof> roofs_of(const Setting& setting, const MachinePeaks& peaks) {
  return {{fmt::format("{} products of matrices", setting.precision()), peaks.matrix(setting.type).flops},
          {"f32 multiply-adds", peaks.fma.flops}};
}

/// "87%", "0.4%".
std::string percentage(double fraction) {
  constexpr double kFew = 0.0095;
  return fraction < kFew ? fmt::format("{:.1f}%", 100.0 * fraction) : fmt::format("{:.0f}%", 100.0 * fraction);
}

RooflinePoint point_of(const OpResult& result, const Roofs& roofs) {
  const Operation& operation = result.operation;
  const double fraction = least_seconds(result.cost, roofs) / result.seconds;
  return {.label = fmt::format("{} {} {}", operation.name, operation.direction, percentage(fraction)),
          .series = operation.by,
          .details =
              fmt::format("{} {} ({}): {:.3f} ms, {:.1f} GFLOP/s, {:.1f} GB/s, {:.1f}% of the {} limit; {}",
                          operation.name, operation.direction, operation.by, kMilli * result.seconds,
                          kPerGiga * result.cost.flops / result.seconds, kPerGiga * result.cost.bytes / result.seconds,
                          100.0 * fraction, limit_name(result.cost, roofs), result.implementation),
          .intensity = result.cost.flops / result.cost.bytes,
          .flops = result.cost.flops / result.seconds};
}

}  // namespace

Roofline op_roofline(const std::vector<const OpResult*>& results, const MachinePeaks& peaks,
                     const std::string& subtitle) {
  Roofline roofline{.title = "Operations under this machine's roofs", .subtitle = subtitle, .series = {}, .panels = {}};
  for (const OpResult* result : results) {
    if (result->seconds <= 0.0 || result->cost.flops <= 0.0 || result->cost.bytes <= 0.0) continue;
    const std::string title = panel_title(result->setting);
    auto panel = std::ranges::find(roofline.panels, title, &RooflinePanel::title);
    if (panel == roofline.panels.end()) {
      roofline.panels.push_back({title, peaks.memory.bytes, roofs_of(result->setting, peaks), {}});
      panel = roofline.panels.end() - 1;
    }
    panel->points.push_back(point_of(*result, peaks.roofs(result->setting.type)));
    const std::string& by = result->operation.by;
    if (std::ranges::find(roofline.series, by) == roofline.series.end()) roofline.series.push_back(by);
  }
  return roofline;
}

}  // namespace convmixer::perf
