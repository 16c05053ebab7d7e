/// The trained weights that a command is given: a run folder's, or a file.
#pragma once

#include "convmixer/checkpoint/checkpoint.hpp"
#include "convmixer/train/run_folder.hpp"

#include <filesystem>
#include <optional>

namespace convmixer::tool {

struct GivenWeights {
  std::filesystem::path path;  ///< of the weights file
  CheckpointInfo info;
  std::optional<RunFolder> run;  ///< the folder that was given, or that the file lies in, if it has a configuration
};

/// Of a run folder, its `checkpoint` ("best", "last", or another file); of anything else, the file itself. Throws Error
/// with the way out where a run has no such weights or they can't be read, Error (usage) for a folder that is no run's.
/// Warns on standard error of another program's weights that look like those published for ReLU.
[[nodiscard]] GivenWeights find_weights(const std::filesystem::path& argument,
                                        const std::filesystem::path& checkpoint = "best");

}  // namespace convmixer::tool
