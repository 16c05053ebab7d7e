/// Runs side by side: in which settings they differ, and what they came to.
#pragma once

#include "convmixer/train/run_differences.hpp"
#include "convmixer/train/run_summary.hpp"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace convmixer::tool {

/// What a comparison takes of a run.
struct ComparedRun {
  RunSummary summary;
  std::vector<RunSetting> settings;
  /// Of the last epoch; NaN: not known.
  double train_loss = RecordTable::kNone;
  double train_accuracy = RecordTable::kNone;  ///< 0..1
  double evaluated_loss = RecordTable::kNone;  ///< of the last epoch that was evaluated, of the saved weights
  double images_per_second = RecordTable::kNone;
  std::optional<SessionRecord> machine{};  ///< of the last session
};

[[nodiscard]] ComparedRun compared(const RunHistory& history);

/// Two tables, settings and figures, with a column for each run; where they don't fit side by side into `width` (0: any
/// number does), in several parts.
[[nodiscard]] std::string format_comparison(std::span<const ComparedRun> runs, std::size_t width, bool colour);

/// {runs: [run_json() and train_loss, train_accuracy, evaluated_loss, images_per_s, machine], settings: [{key,
/// values}], equal_settings}: a value for each run, null where it has no such setting.
[[nodiscard]] nlohmann::ordered_json comparison_json(std::span<const ComparedRun> runs);

}  // namespace convmixer::tool
