/// What `train` says of a run: where it begins, and how it ended.
#pragma once

#include "convmixer/train/trainer.hpp"

#include <string>

namespace convmixer::tool {

/// "runs/a (new)", or where it goes on.
[[nodiscard]] std::string describe_start(const Trainer& trainer, const TrainConfig& config);

/// How a run was started, as far as its end is told by that.
struct RunStart {
  bool was_done = false;  ///< there was nothing left to do
  bool extended = false;  ///< by --extend: the same command would extend it again
  bool resumed = false;   ///< by --resume
};

/// The last lines of a run.
[[nodiscard]] std::string describe_end(TrainEnd end, const Trainer& trainer, const TrainConfig& config,
                                       const RunStart& start);

/// Of a run that a dry run looks at and that has trained to its end.
[[nodiscard]] std::string describe_nothing_left(TrainEnd end, const Trainer& trainer, const TrainConfig& config);

}  // namespace convmixer::tool
