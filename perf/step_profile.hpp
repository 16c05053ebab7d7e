/// Where the time of a step goes, by kind of operation and direction.
#pragma once

#include "convmixer/plan/plan_report.hpp"

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace convmixer::perf {

/// Steps of a plan that do the same to different data.
struct OperationKind {
  std::string operation;                     ///< as PlannedStep has it
  std::string direction;                     ///< likewise
  int calls = 0;                             ///< in a step
  std::vector<std::string> implementations;  ///< each once, in order of appearance
};

/// Seconds of one step.
struct StepTimes {
  double total = 0.0;
  std::vector<double> kinds;  ///< by OperationKind
  double loss = 0.0;          ///< between forward and backward
  double optimiser = 0.0;
};

/// Adds up how long a plan's operations take. Two looks at the clock for each, some 50 ns.
class StepProfile : public PlanObserver {
 public:
  /// Seconds since any moment.
  using Clock = std::function<double()>;

  explicit StepProfile(const std::vector<PlannedStep>& steps, Clock clock);

  [[nodiscard]] const std::vector<OperationKind>& kinds() const noexcept { return kinds_; }

  void begin(std::size_t step) override;
  void end(std::size_t step) override;

  /// Kinds and loss since the last call.
  [[nodiscard]] StepTimes take();

 private:
  Clock clock_;
  std::vector<OperationKind> kinds_;
  std::vector<std::size_t> kind_of_step_;
  std::size_t first_backward_ = 0;  // number of steps if there is none
  double began_ = 0.0;
  double ended_ = 0.0;
  StepTimes times_;
};

/// One row of a step's account.
struct SplitRow {
  std::string operation;
  std::string direction;
  int calls = 0;
  double seconds = 0.0;
  std::vector<std::string> implementations;
};

/// The kinds, longest first, then loss, optimiser (where there is one) and the rest, so that the rows add up to a step.
/// Means over the half of the steps that are nearest to the median: they come to the median but for noise, and a step
/// that something held up isn't among them.
[[nodiscard]] std::vector<SplitRow> split(const std::vector<OperationKind>& kinds, const std::vector<StepTimes>& steps);

}  // namespace convmixer::perf
