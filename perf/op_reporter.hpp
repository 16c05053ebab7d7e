/// Prints op_bench's table as it goes, a line an operation, and keeps the times.
#pragma once

#include "op_suite.hpp"

#include <benchmark/benchmark.h>
#include <string>
#include <vector>

namespace convmixer::perf {

class OpReporter : public benchmark::BenchmarkReporter {
 public:
  /// `heading` is printed first.
  OpReporter(OpSuite& suite, std::string heading) : suite_(suite), heading_(std::move(heading)) {}

  bool ReportContext(const Context& context) override;
  void ReportRuns(const std::vector<Run>& runs) override;

 private:
  void print(const Run& run, const OpResult& result);

  OpSuite& suite_;
  std::string heading_;
  std::size_t name_width_ = 0;
};

/// The machine and its peaks, for the head of the table.
[[nodiscard]] std::string describe(const MachinePeaks& peaks);

}  // namespace convmixer::perf
