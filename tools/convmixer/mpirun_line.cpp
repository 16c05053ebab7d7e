#include "mpirun_line.hpp"

#include "convmixer/core/error.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstddef>

namespace convmixer::tool {

Mpirun recognise_mpirun(const std::string& version) {
  if (version.find("Open MPI") != std::string::npos) return Mpirun::open_mpi;
  if (version.find("Intel") != std::string::npos) return Mpirun::intel;
  if (version.find("HYDRA") != std::string::npos || version.find("mpich") != std::string::npos) return Mpirun::mpich;
  fail_usage("mpirun --version says '{}': expected Open MPI, MPICH or Intel MPI",
             version.substr(0, version.find('\n')));
}

std::vector<std::string> words_of(const MpirunLine& line) {
  const std::size_t machines = std::max<std::size_t>(1, line.hosts.size());
  std::vector<std::string> words{line.program, "-np", fmt::format("{}", line.ranks * static_cast<int>(machines))};
  const auto add = [&](std::initializer_list<std::string> more) { words.insert(words.end(), more); };
  switch (line.kind) {
    case Mpirun::open_mpi: {
      if (line.is_root) add({"--allow-run-as-root"});
      if (line.oversubscribed) add({"--oversubscribe"});
      std::vector<std::string> slots;
      for (const std::string& host : line.hosts) slots.push_back(fmt::format("{}:{}", host, line.ranks));
      if (!slots.empty()) add({"--host", fmt::format("{}", fmt::join(slots, ","))});
      add({"--bind-to", "none"});
      break;
    }
    case Mpirun::mpich:
      if (!line.hosts.empty())
        add({"-hosts", fmt::format("{}", fmt::join(line.hosts, ",")), "-ppn", fmt::format("{}", line.ranks)});
      add({"-bind-to", "none"});
      break;
    case Mpirun::intel:
      if (!line.hosts.empty())
        add({"-hosts", fmt::format("{}", fmt::join(line.hosts, ",")), "-ppn", fmt::format("{}", line.ranks)});
      add({"-genv", "I_MPI_PIN", "0"});
      break;
  }
  words.insert(words.end(), line.command.begin(), line.command.end());
  return words;
}

}  // namespace convmixer::tool
