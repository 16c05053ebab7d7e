/// The processes that mpirun, or srun, has started together.
#pragma once

#include "convmixer/dist/communicator.hpp"

#include <filesystem>
#include <memory>
#include <string>

namespace convmixer {

/// What the environment says of how this process was started.
struct Launch {
  int ranks = 1;           ///< processes that were started together
  int rank = 0;            ///< this one
  int local_rank = -1;     ///< how many before it are on its machine; -1: not said
  std::string launcher{};  ///< "Open MPI"; empty: none
};

/// Of mpirun by Open MPI, MPICH or Intel MPI, and srun. Throws Error (usage) for variables of theirs that don't hold
/// numbers.
[[nodiscard]] Launch find_launch();

/// Of several processes that a launcher has started, the one that says what all of them would say. True also where a
/// launcher's variables don't hold numbers, which find_launch() tells.
[[nodiscard]] bool is_first_of_launch();

/// This process among those, by MPI: a plug-in of the library (convmixer-mpi.so) that is loaded here, so that a process
/// that trains alone needs no MPI. One for each process.
class LaunchedRanks {
 public:
  /// Returns once all have joined. Throws Error where the plug-in is missing or can't be loaded, where MPI can't start,
  /// and where it finds other processes than the launcher has started.
  explicit LaunchedRanks(const Launch& launch);
  /// Once all are through; after an error, abort() comes first.
  ~LaunchedRanks();
  LaunchedRanks(const LaunchedRanks&) = delete;
  LaunchedRanks& operator=(const LaunchedRanks&) = delete;

  [[nodiscard]] Communicator& communicator() noexcept;
  /// Among the ranks of this machine.
  [[nodiscard]] int local_rank() const;
  [[nodiscard]] int local_size() const;
  /// "Open MPI v4.1.4".
  [[nodiscard]] std::string library() const;

  /// Returns when all ranks have called it. Throws Error on rank 0, naming those that haven't, after so many seconds.
  void meet(int seconds);
  /// Ends all ranks, this one with the status.
  [[noreturn]] void abort(int status);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Where the plug-in is looked for: where $CONVMIXER_MPI_PLUGIN says, if it is set; otherwise the first that exists of
/// convmixer/ beside the library and ../lib/convmixer/ from the program's folder.
[[nodiscard]] std::filesystem::path find_mpi_plugin();

}  // namespace convmixer
