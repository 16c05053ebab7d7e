#include "progress_option.hpp"

#include "convmixer/core/error.hpp"

namespace convmixer::tool {

Option progress_option(ProgressMode& mode, const std::string& plain_help) {
  return choice_option("progress", mode,
                       {{"auto", ProgressMode::automatic},
                        {"live", ProgressMode::live},
                        {"plain", ProgressMode::plain},
                        {"none", ProgressMode::none}},
                       plain_help);
}

void require_showable(ProgressMode mode, std::FILE* stream, const char* name, bool quiet) {
  if (mode == ProgressMode::automatic) return;
  if (quiet) fail_usage("--progress has no effect with --quiet, which shows none");
  if (mode == ProgressMode::live && !detect_terminal(stream).live)
    fail_usage("--progress live: {} is no terminal that lines could be drawn over: expected auto, plain or none", name);
}

}  // namespace convmixer::tool
