/// The command that starts several processes which train together, as each MPI's mpirun wants it.
#pragma once

#include <string>
#include <vector>

namespace convmixer::tool {

enum class Mpirun { open_mpi, mpich, intel };

/// Which one says this of itself (`mpirun --version`). Throws Error (usage) for any other.
[[nodiscard]] Mpirun recognise_mpirun(const std::string& version);

struct MpirunLine {
  std::string program = "mpirun";
  Mpirun kind = Mpirun::open_mpi;
  int ranks = 1;                     ///< on each machine
  std::vector<std::string> hosts{};  ///< empty: this machine alone
  bool is_root = false;
  bool oversubscribed = false;         ///< more ranks than cores
  std::vector<std::string> command{};  ///< what each rank runs
};

/// Ranks aren't bound to CPUs: they share those of their machine themselves.
[[nodiscard]] std::vector<std::string> words_of(const MpirunLine& line);

}  // namespace convmixer::tool
