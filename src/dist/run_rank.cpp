#include "convmixer/dist/run_rank.hpp"

#include "convmixer/core/program.hpp"

#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <thread>

namespace convmixer {

namespace {

/// Longer than what mpirun takes to end the others when a rank has failed: a second, where it wasn't told by MPI (and
/// MPICH's ends nobody then).
constexpr auto kFirstTells = std::chrono::seconds(3);

/// Whether one before it is on its machine, whose MPI is this one's, too: what is wrong with that is for the first to
/// tell.
bool has_others_before_it(const Launch& launch) { return launch.local_rank > 0; }

}  // namespace

int run_rank(const Launch& launch, std::string_view program, std::string_view less_memory,
             const std::function<int(LaunchedRanks& ranks)>& body) {
  std::unique_ptr<LaunchedRanks> ranks;
  Failure failure;
  try {
    ranks = std::make_unique<LaunchedRanks>(launch);
    return body(*ranks);
  } catch (...) {
    failure = failure_in_flight(less_memory);
  }
  if (launch.rank > 0) {
    std::this_thread::sleep_for(kFirstTells);
    if (!ranks && has_others_before_it(launch)) return failure.status;
    failure.message = fmt::format("rank {} of {}: {}", launch.rank, launch.ranks, failure.message);
  }
  report(program, failure);
  if (ranks) ranks->abort(failure.status);
  return failure.status;
}

}  // namespace convmixer
