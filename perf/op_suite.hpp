/// The operations of some settings as Google Benchmark's benchmarks.
#pragma once

#include "machine_peaks.hpp"
#include "operation.hpp"

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace benchmark {
class State;
}

namespace convmixer::perf {

/// What became of one benchmark.
struct OpResult {
  Setting setting;
  Operation operation;
  Cost cost;
  std::string implementation;
  double seconds = 0.0;  ///< of one run; 0: not measured
  std::string error;     ///< why it couldn't be measured, or what was wrong with its results
};

/// Every operation gets as many trials as exceed the caches together, and they are run in turns: operands come out of
/// memory, as they do in a training step.
class OpSuite {
 public:
  OpSuite(Engine& engine, const std::vector<Setting>& settings);
  ~OpSuite();

  /// Registers a benchmark for each operation of each setting.
  void add_benchmarks();
  void set_peaks(const MachinePeaks& peaks) { peaks_ = peaks; }
  [[nodiscard]] const MachinePeaks& peaks() const { return peaks_.value(); }

  /// By the benchmark's name, those that ran.
  [[nodiscard]] OpResult* find(const std::string& name);
  /// In the order in which they were added, those that ran.
  [[nodiscard]] std::vector<const OpResult*> results() const;

 private:
  struct Case;
  struct Prepared;
  void measure(benchmark::State& state, Case& measured);
  Prepared& prepare(Case& measured);

  Engine& engine_;
  std::optional<MachinePeaks> peaks_;
  std::deque<Case> cases_;
  std::unique_ptr<Prepared> prepared_;  ///< of the case that runs: Google Benchmark calls it several times
};

}  // namespace convmixer::perf
