/// How many threads to use, and why; which CPUs they can be pinned to.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace convmixer {

struct ThreadCount {
  int count;           ///< at least 1
  std::string reason;  ///< one phrase for the user: "2 physical cores in the affinity mask of 4 logical CPUs"
};

/// An explicit `requested` > 0 wins. Otherwise the smallest of: physical cores within the affinity mask,
/// the cgroup's CPU quota (v2 cpu.max or v1 cfs quota, of this cgroup and its parents, rounded up),
/// SLURM_CPUS_PER_TASK; and OMP_NUM_THREADS, which replaces the core count when set
/// (every guide to CPU training teaches it). `root` stands before /proc and /sys, for tests.
[[nodiscard]] ThreadCount choose_thread_count(int requested, const std::filesystem::path& root = "/");

/// The CPUs in the affinity mask of the calling thread: one of each physical core, in the order of their numbers, then
/// the cores' second hardware threads, and so on.
[[nodiscard]] std::vector<int> cpus_by_core(const std::filesystem::path& root = "/");

}  // namespace convmixer
