/// How long a run that is being trained will take.
#pragma once

#include "convmixer/train/run_history.hpp"

#include <optional>

namespace convmixer::tool {

/// Seconds from its last record to its end, evaluations included, by the training's own estimate; in runs of earlier
/// releases, which recorded none, if its epochs go on taking as long as its last three did. Nothing for a run that
/// isn't being trained, and before there is a record to go by.
[[nodiscard]] std::optional<double> seconds_left(const RunHistory& run);

}  // namespace convmixer::tool
