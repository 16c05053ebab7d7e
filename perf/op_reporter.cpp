#include "op_reporter.hpp"

#include "units.hpp"

#include <fmt/format.h>
#include <fmt/ostream.h>

#include <algorithm>
#include <string_view>

namespace convmixer::perf {

std::string describe(const MachinePeaks& peaks) {
  std::string text;
  const auto add = [&text](double value, const char* unit, const char* what, const std::string& implementation) {
    text += fmt::format("  {:<26}  {:>8.1f} {:<7}  ({})\n", what, value * kPerGiga, unit, implementation);
  };
  add(peaks.memory.bytes, "GB/s", "memory", peaks.memory.implementation);
  add(peaks.fma.flops, "GFLOP/s", "f32 multiply-adds", peaks.fma.implementation);
  add(peaks.matrix_f32.flops, "GFLOP/s", "f32 products of matrices", peaks.matrix_f32.implementation);
  if (peaks.matrix_bf16) {
    add(peaks.matrix_bf16->flops, "GFLOP/s", "bf16 products of matrices", peaks.matrix_bf16->implementation);
  }
  return text;
}

bool OpReporter::ReportContext(const Context& context) {
  constexpr std::size_t kSuffix = std::string_view("/real_time").size();  // Google Benchmark's, left out here
  name_width_ = context.name_field_width - std::min(kSuffix, context.name_field_width);
  GetOutputStream() << heading_
                    << fmt::format("\n{:<{}}  {:>10}  {:>9}  {:>7}  {:>9}  {:<14}  implementation\n", "operation",
                                   name_width_, "ms", "GFLOP/s", "GB/s", "of limit", "which is")
                    << std::flush;
  return true;
}

void OpReporter::ReportRuns(const std::vector<Run>& runs) {
  for (const Run& run : runs) {
    OpResult* result = suite_.find(run.run_name.function_name);
    if (result == nullptr) continue;
    if (!result->error.empty()) {
      GetOutputStream() << fmt::format("{:<{}}  error: {}\n", run.run_name.function_name, name_width_, result->error)
                        << std::flush;
      continue;
    }
    if (run.run_type == Run::RT_Aggregate && run.aggregate_unit != benchmark::kTime) continue;
    print(run, *result);
    constexpr double kPerMilli = 1e-3;  // the unit that OpSuite asks for
    if (run.run_type == Run::RT_Iteration || run.aggregate_name == "median") {
      result->seconds = kPerMilli * run.GetAdjustedRealTime();
    }
  }
}

void OpReporter::print(const Run& run, const OpResult& result) {
  const auto counter = [&run](const char* name) {
    const auto found = run.counters.find(name);
    return found == run.counters.end() ? 0.0 : found->second.value;
  };
  std::string name = run.run_name.function_name;
  if (run.run_type == Run::RT_Aggregate) name = "  " + run.aggregate_name;
  GetOutputStream() << fmt::format("{:<{}}  {:>10.3f}  {:>9.1f}  {:>7.1f}  {:>8.1f}%  {:<14}  {}\n", name, name_width_,
                                   run.GetAdjustedRealTime(), counter("gflop_per_s"), counter("gb_per_s"),
                                   100.0 * counter("fraction_of_limit"),
                                   limit_name(result.cost, suite_.peaks().roofs(result.setting.type)),
                                   result.implementation)
                    << std::flush;
}

}  // namespace convmixer::perf
