/// mpirun as a child, so that Ctrl-C gives ranks the time to finish their step.
#pragma once

#include "mpirun_line.hpp"

#include <string>
#include <vector>

namespace convmixer::tool {

/// Runs the mpirun of Open MPI or MPICH, `words` being its own name and its arguments, and returns the exit status. Of
/// the signals that ask to end (SIGINT, SIGTERM, SIGHUP) the first one has all ranks, on every machine, finish their
/// step, the second one ends them. It has no standard input. Throws Error if it can't be run.
///
/// Open MPI's would kill the ranks a second after such a signal: it gets SIGUSR1 instead, which it passes on and which
/// they take as a StopSignal. MPICH's would leave them behind after SIGHUP: it always gets SIGINT, of which it passes
/// on the first. Its exit status is now and then 0 where the ranks' is not: after a signal that isn't taken for an end
/// of the training.
[[nodiscard]] int run_mpirun(Mpirun kind, const std::vector<std::string>& words);

}  // namespace convmixer::tool
