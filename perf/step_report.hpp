/// What step_bench found, as text and as JSON.
#pragma once

#include "convmixer/core/threads.hpp"
#include "core/summary.hpp"
#include "step_measurement.hpp"

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace convmixer::perf {

struct StepReport {
  StepOptions options;
  ThreadCount threads;
  StepMeasurement measurement;
  MeasuredPeaks peaks;
  Summary step_seconds;
  std::vector<SplitRow> split;
  double limit_seconds = 0.0;  ///< of a step

  [[nodiscard]] double images_per_second(double seconds) const;
  [[nodiscard]] double fraction_of_limit() const { return limit_seconds / step_seconds.median; }
};

[[nodiscard]] StepReport make_report(const StepOptions& options, const ThreadCount& threads,
                                     const StepMeasurement& measurement, const MeasuredPeaks& peaks);

[[nodiscard]] std::string to_text(const StepReport& report);

/// Keys are part of the program's interface: perf/README.md tells what they mean. `commit` is that of the build.
[[nodiscard]] nlohmann::ordered_json to_json(const StepReport& report, const std::string& commit);

}  // namespace convmixer::perf
