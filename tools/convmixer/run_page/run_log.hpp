/// The log of a run, made of its records.
#pragma once

#include "convmixer/train/run_history.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace convmixer::tool {

/// A record of an epoch, read back from a run's table.
[[nodiscard]] EpochRecord epoch_record(const RunHistory& run, std::size_t row);

/// A line for each epoch from row `first` on, and for starts and ends of the training between them; from row 0, the
/// test images' as well.
[[nodiscard]] std::vector<std::string> run_log(const RunHistory& run, std::size_t first = 0);

/// "2026-11-29T08:00:00Z"
[[nodiscard]] std::string utc_time(double unix_seconds);

}  // namespace convmixer::tool
