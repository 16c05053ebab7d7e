/// Runs and times steps of a network on synthetic data.
#pragma once

#include "convmixer/core/micro_batches.hpp"
#include "convmixer/dist/communicator.hpp"
#include "convmixer/plan/engine.hpp"
#include "convmixer/plan/plan_options.hpp"
#include "convmixer/plan/plan_report.hpp"
#include "limit.hpp"
#include "step_options.hpp"
#include "step_profile.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace convmixer::perf {

struct StepMeasurement {
  ModelConfig model;
  Precision precision = Precision::f32;
  MicroBatches micro_batches{1, 0};
  PlanKind plan = PlanKind::plain;  ///< fused, plain or onednn: what was run
  std::int64_t parameters = 0;      ///< numbers that are trained
  Work work;                        ///< of an image
  std::vector<OperationKind> kinds;
  std::vector<StepTimes> steps;
  PlannedMemory planned;
  std::int64_t peak_rss = 0;  ///< bytes, of the whole process after the last step
  int ranks = 1;
  CommunicationTotals exchanged;  ///< of this rank, in the measured steps
};

/// With several ranks in the engine, each its share of the batch. Throws Error (usage) naming the option that is out of
/// range.
[[nodiscard]] StepMeasurement measure_steps(const StepOptions& options, Engine& engine);

/// The machine's peaks, and what reached them.
struct MeasuredPeaks {
  Peaks peaks;
  Precision matrix_precision;  ///< f32's where there are no instructions for that of the steps
  std::string matrix_implementation;
  std::string fma_implementation;
};

[[nodiscard]] MeasuredPeaks measure_peaks(Precision precision, std::chrono::duration<double> time_for_each,
                                          Engine& engine);

}  // namespace convmixer::perf
