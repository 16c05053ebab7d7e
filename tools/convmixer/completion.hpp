/// Completion of the tool's command line in bash, made of what its commands say of themselves.
#pragma once

#include "commands.hpp"

#include <span>
#include <string>

namespace convmixer::tool {

/// A script that bash reads: of `convmixer` it completes commands, options not yet given, the values an option takes if
/// they can be listed, and paths where a path is expected.
[[nodiscard]] std::string bash_completion(std::span<const Command> commands);

}  // namespace convmixer::tool
