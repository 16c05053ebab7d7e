/// How many threads to use, and why; which CPUs they can be pinned to.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace convmixer {

struct ThreadCount {
  int count;           ///< from 1 to most_threads()
  std::string reason;  ///< one phrase for the user: "2 physical cores in the affinity mask of 4 logical CPUs"
  /// What is wrong with it, or with what was to decide it: "more than the 2 CPUs, which is slower"; empty if nothing.
  std::string warning = {};
};

/// The most that may be asked for: 8 for each CPU in the affinity mask, and 64 on any machine. Beyond that, steps take
/// minutes where threads wait for each other.
[[nodiscard]] int most_threads();

/// Throws Error (usage) unless `threads`, which `what` asks for ("threads"), is from 1 to most_threads().
void expect_thread_count(const std::string& what, int threads);

/// How many of `wanted` threads the system starts beside those that the process has (limits of processes: `ulimit -u`,
/// a container's): it starts them, and ends them again.
[[nodiscard]] int startable_threads(int wanted);

/// An explicit `requested` > 0 wins; more than most_threads() throws Error (usage). Otherwise the smallest of: physical
/// cores within the affinity mask, the cgroup's CPU quota (v2 cpu.max or v1 cfs quota, of this cgroup and its parents,
/// rounded up), SLURM_CPUS_PER_TASK; and OMP_NUM_THREADS, which replaces the core count when set (every guide to CPU
/// training teaches it). Variables that don't hold a number from 1 to most_threads() are ignored, and `warning` says
/// so. `root` stands before /proc and /sys, for tests.
[[nodiscard]] ThreadCount choose_thread_count(int requested, const std::filesystem::path& root = "/");

/// The CPUs in the affinity mask of the calling thread: one of each physical core, in the order of their numbers, then
/// the cores' second hardware threads, and so on.
[[nodiscard]] std::vector<int> cpus_by_core(const std::filesystem::path& root = "/");

/// The CPUs in the affinity mask of the calling thread, or with `whole_machine` all that are online, by physical core;
/// the cores of a NUMA node together, in the order of the nodes' numbers and then of their CPUs'.
[[nodiscard]] std::vector<std::vector<int>> cores_by_node(bool whole_machine = false,
                                                          const std::filesystem::path& root = "/");
/// NUMA nodes, and sockets, that have CPUs in the affinity mask of the calling thread: at least 1.
[[nodiscard]] int numa_nodes(const std::filesystem::path& root = "/");
[[nodiscard]] int sockets(const std::filesystem::path& root = "/");

}  // namespace convmixer
