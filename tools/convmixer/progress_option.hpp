/// --progress, of the commands that take their time.
#pragma once

#include "convmixer/train/option.hpp"
#include "convmixer/train/progress.hpp"

#include <cstdio>

namespace convmixer::tool {

/// `plain_help` says what a command prints in that mode.
[[nodiscard]] Option progress_option(ProgressMode& mode, const std::string& plain_help);

/// Throws Error (usage) for live lines where `stream`, which is called `name`, is no terminal that they could be drawn
/// on, and for any choice of a command that is `quiet`.
void require_showable(ProgressMode mode, std::FILE* stream, const char* name, bool quiet);

}  // namespace convmixer::tool
