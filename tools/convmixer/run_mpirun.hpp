/// mpirun as a child, so that Ctrl-C gives ranks the time to finish their step.
#pragma once

#include <string>
#include <vector>

namespace convmixer::tool {

/// Runs Open MPI's mpirun, `words` being its own name and its arguments, and returns the exit status. A signal that
/// asks to end (SIGINT, SIGTERM, SIGHUP) would have it kill the ranks a second later: instead it gets SIGUSR1, which it
/// passes on to all of them, on every machine, and which they take as a StopSignal. A second signal it gets as it is.
/// It has no standard input. Throws Error if it can't be run.
[[nodiscard]] int run_mpirun(const std::vector<std::string>& words);

}  // namespace convmixer::tool
