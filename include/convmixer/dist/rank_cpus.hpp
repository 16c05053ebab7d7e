/// Which CPUs a rank may use, among those of its machine.
#pragma once

#include "convmixer/core/threads.hpp"
#include "convmixer/dist/communicator.hpp"

#include <string>
#include <vector>

namespace convmixer {

/// CPUs by physical core, the cores of a NUMA node together (core/threads.hpp: cores_by_node).
using Cores = std::vector<std::vector<int>>;

/// What a rank says of the CPUs that the launcher has left it.
struct RankPlace {
  std::string machine;  ///< its name
  Cores cores;          ///< in the affinity mask

  bool operator==(const RankPlace&) const = default;
};

/// Of this process.
[[nodiscard]] RankPlace rank_place();

[[nodiscard]] std::string to_text(const RankPlace& place);
/// Throws Error for a text that isn't to_text()'s.
[[nodiscard]] RankPlace parse_rank_place(const std::string& text);

/// The CPUs that `rank` should use. A launcher that gave each rank of a machine CPUs of its own is left to it. Ranks
/// that may use the same cores share them, each those that lie together, in the order of the ranks; where there are
/// fewer cores than ranks, each may use all. `places` are all ranks', by rank. Throws Error (usage) for a rank that
/// isn't among them.
[[nodiscard]] std::vector<int> share_of_cpus(const std::vector<RankPlace>& places, int rank);

/// Where the launcher has bound a rank to one core though its share of the `machine_cores` would be more: that it has,
/// and the option to give; else empty. Open MPI binds so when it starts one or two ranks. Throws as share_of_cpus.
[[nodiscard]] std::string why_bound(const std::vector<RankPlace>& places, int rank, int machine_cores);

/// From now on the calling thread, and what it starts, runs on these CPUs alone. Throws Error if the system refuses.
void run_on(const std::vector<int>& cpus);

/// Of the calling thread's rank: binds it to its share_of_cpus(), and says how many threads it should have there, as
/// choose_thread_count(requested) does. All ranks call it. Throws Error (usage) for why_bound(), unless threads are
/// requested.
[[nodiscard]] ThreadCount choose_rank_threads(Communicator& ranks, int requested);

}  // namespace convmixer
