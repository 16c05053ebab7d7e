/// Runs as a list: a table for a terminal, and the same for other programs.
#pragma once

#include "convmixer/train/run_summary.hpp"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <span>
#include <string>

namespace convmixer::tool {

/// "91.02%"; "-" if it isn't known.
[[nodiscard]] std::string format_accuracy(const std::optional<double>& accuracy);
[[nodiscard]] std::string format_accuracy(const std::optional<EpochAccuracy>& accuracy);
/// "16/25", or "16" where nobody knows how many it was to be.
[[nodiscard]] std::string format_epochs(const RunSummary& run);
/// "2026-11-29 08:00" where the terminal is; "-" for 0.
[[nodiscard]] std::string format_date(double unix_seconds);

/// A line for each run; what matters least is left out where `width` is too small (text_table.hpp). Folders are shown
/// as they were found, without `prefix`.
[[nodiscard]] std::string format_runs(std::span<const RunSummary> runs, const std::string& prefix, std::size_t width,
                                      bool colour);

/// {folder, name, tags, note, model, state, error, epochs, epochs_planned, evaluated_on, best: {epoch, accuracy},
/// last: likewise, test_accuracy, seconds, started, modified, problem}: what isn't known is null, times are in seconds
/// since 1970.
[[nodiscard]] nlohmann::ordered_json run_json(const RunSummary& run);

}  // namespace convmixer::tool
