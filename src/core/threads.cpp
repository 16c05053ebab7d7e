#include "convmixer/core/threads.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <map>
#include <optional>
#include <sched.h>
#include <set>
#include <sstream>
#include <string_view>
#include <thread>
#include <vector>

namespace convmixer {

namespace {

std::string first_line(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

/// A whole number >= 1 at the start of `text` (OMP_NUM_THREADS may be a list, "4,2": the first level counts).
std::optional<int> leading_count(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0) text.remove_prefix(1);
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool clean = end == text.data() + text.size() || *end == ',' || *end == ' ' || *end == '\n';
  return error == std::errc() && value >= 1 && clean ? std::optional(value) : std::nullopt;
}

std::optional<int> environment_count(const char* name) {
  const char* text = std::getenv(name);
  return text == nullptr ? std::nullopt : leading_count(text);
}

std::vector<int> affinity_mask() {
  std::vector<int> cpus;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &set)) cpus.push_back(static_cast<int>(cpu));
    }
  } else {  // more CPUs than the fixed set holds
    for (unsigned cpu = 0; cpu < std::thread::hardware_concurrency(); ++cpu) cpus.push_back(static_cast<int>(cpu));
  }
  return cpus;
}

/// What tells a CPU's physical core from others: its list of hardware threads.
std::string core_of(int cpu, const std::filesystem::path& root) {
  const auto topology = root / fmt::format("sys/devices/system/cpu/cpu{}/topology", cpu);
  std::string siblings = first_line(topology / "core_cpus_list");
  if (siblings.empty()) siblings = first_line(topology / "thread_siblings_list");
  return siblings.empty() ? fmt::format("cpu{}", cpu) : siblings;
}

int physical_cores(const std::vector<int>& cpus, const std::filesystem::path& root) {
  std::set<std::string> cores;
  for (const int cpu : cpus) cores.insert(core_of(cpu, root));
  return static_cast<int>(cores.size());
}

double quota_v2(const std::filesystem::path& folder) {
  std::istringstream line(first_line(folder / "cpu.max"));  // "max 100000" or "150000 100000"
  double quota = 0;
  double period = 0;
  return line >> quota >> period && quota > 0 && period > 0 ? quota / period : std::numeric_limits<double>::infinity();
}

double quota_v1(const std::filesystem::path& folder) {
  std::istringstream quota_line(first_line(folder / "cpu.cfs_quota_us"));  // -1 without a limit
  std::istringstream period_line(first_line(folder / "cpu.cfs_period_us"));
  double quota = 0;
  double period = 0;
  return quota_line >> quota && period_line >> period && quota > 0 && period > 0
             ? quota / period
             : std::numeric_limits<double>::infinity();
}

/// The smallest quota of the group at `path` below `mount` and of its parents.
template <typename Quota>
double smallest_quota(const std::filesystem::path& mount, const std::string& path, Quota quota) {
  double smallest = quota(mount);
  std::filesystem::path folder = mount;
  for (const auto& part : std::filesystem::path(path).relative_path()) {
    folder /= part;
    smallest = std::min(smallest, quota(folder));
  }
  return smallest;
}

/// CPUs that the cgroup of this process may use at once; infinite without a limit.
double cgroup_quota(const std::filesystem::path& root) {
  double smallest = std::numeric_limits<double>::infinity();
  std::ifstream file(root / "proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {  // "0::/path" (v2) or "4:cpu,cpuacct:/path" (v1)
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const std::string path = line.substr(second + 1);
    const auto mounts = root / "sys/fs/cgroup";
    if (controllers == ",,") {
      smallest = std::min(smallest, smallest_quota(mounts, path, quota_v2));
    } else if (controllers.find(",cpu,") != std::string::npos) {
      smallest = std::min(smallest, smallest_quota(mounts / "cpu", path, quota_v1));
      smallest = std::min(smallest, smallest_quota(mounts / "cpu,cpuacct", path, quota_v1));
    }
  }
  return smallest;
}

std::string plural(int count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

}  // namespace

ThreadCount choose_thread_count(int requested, const std::filesystem::path& root) {
  if (requested > 0) return {requested, "as requested"};

  const std::vector<int> cpus = affinity_mask();
  const int logical = std::max(1, static_cast<int>(cpus.size()));
  const int cores = std::max(1, physical_cores(cpus, root));
  // OpenMP has then bound this thread to its first place before the program began.
  const char* const bind = std::getenv("OMP_PROC_BIND");
  const std::string narrowed =
      bind == nullptr || std::string_view(bind) == "false" ? "" : ", which OMP_PROC_BIND narrows";
  ThreadCount choice{cores, cores == logical
                                ? fmt::format("{} in the affinity mask{}", plural(cores, "physical core"), narrowed)
                                : fmt::format("{} in the affinity mask of {}{}", plural(cores, "physical core"),
                                              plural(logical, "logical CPU"), narrowed)};
  if (const auto omp = environment_count("OMP_NUM_THREADS")) {
    choice = {*omp, fmt::format("OMP_NUM_THREADS={}", *omp)};
  }
  const auto lower_to = [&choice](int count, const std::string& reason) {
    if (count < choice.count) choice = {count, fmt::format("{}, fewer than {}", reason, choice.reason)};
  };
  if (const auto slurm = environment_count("SLURM_CPUS_PER_TASK")) {
    lower_to(*slurm, fmt::format("SLURM_CPUS_PER_TASK={}", *slurm));
  }
  const double quota = cgroup_quota(root);
  if (std::isfinite(quota)) {
    lower_to(std::max(1, static_cast<int>(std::ceil(quota))), fmt::format("the cgroup's quota of {:.4g} CPUs", quota));
  }
  return choice;
}

std::vector<int> cpus_by_core(const std::filesystem::path& root) {
  std::vector<std::vector<int>> rounds;  // the first hardware threads of all cores, the second ones, ...
  std::map<std::string, std::size_t> seen;
  for (const int cpu : affinity_mask()) {
    const std::size_t round = seen[core_of(cpu, root)]++;
    if (round == rounds.size()) rounds.emplace_back();
    rounds[round].push_back(cpu);
  }
  std::vector<int> cpus;
  for (const std::vector<int>& round : rounds) cpus.insert(cpus.end(), round.begin(), round.end());
  return cpus;
}

}  // namespace convmixer
