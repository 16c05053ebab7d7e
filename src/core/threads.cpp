#include "convmixer/core/threads.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/plural.hpp"
#include "core/ascii.hpp"
#include "core/first_line.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <latch>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <sched.h>
#include <set>
#include <string_view>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace convmixer {

namespace {

/// A whole number at the start of `text` (OMP_NUM_THREADS may be a list, "4,2": the first level counts).
std::optional<int> leading_count(std::string_view text) {
  const std::optional<int> value = take_number<int>(text);
  const bool clean = text.empty() || text.front() == ',' || text.front() == ' ' || text.front() == '\n';
  return clean ? value : std::nullopt;
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

/// The NUMA node of a CPU; 0 where the system has none.
int node_of(int cpu, const std::filesystem::path& root) {
  const auto folder = root / fmt::format("sys/devices/system/cpu/cpu{}", cpu);
  std::error_code error;
  std::filesystem::directory_iterator entry(folder, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (!name.starts_with("node")) continue;
    if (const auto number = leading_count(std::string_view(name).substr(4))) return *number;
  }
  return 0;
}

/// The CPUs of a list as the kernel writes it, "0-3,5"; none for any other text.
std::vector<int> cpus_in_list(std::string_view text) {
  constexpr int kMost = 1 << 20;
  std::vector<int> cpus;
  for (;;) {
    const int first = take_number<int>(text).value_or(-1);
    int last = first;
    if (text.starts_with('-')) {
      text.remove_prefix(1);
      last = take_number<int>(text).value_or(-1);
    }
    if (first < 0 || last < first || last >= kMost) return {};
    for (int cpu = first; cpu <= last; ++cpu) cpus.push_back(cpu);
    if (text.empty()) return cpus;
    if (!text.starts_with(',')) return {};
    text.remove_prefix(1);
  }
}

/// Their numbers may have gaps. Where the system doesn't list them, as if they had none.
std::vector<int> online_cpus(const std::filesystem::path& root) {
  std::vector<int> cpus = cpus_in_list(first_line(root / "sys/devices/system/cpu/online"));
  if (!cpus.empty()) return cpus;
  cpus.resize(static_cast<std::size_t>(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN))));
  std::iota(cpus.begin(), cpus.end(), 0);
  return cpus;
}

int physical_cores(const std::vector<int>& cpus, const std::filesystem::path& root) {
  std::set<std::string> cores;
  for (const int cpu : cpus) cores.insert(core_of(cpu, root));
  return static_cast<int>(cores.size());
}

double quota_of(std::optional<double> quota, std::optional<double> period) {
  return quota && period && *quota > 0 && *period > 0 ? *quota / *period : std::numeric_limits<double>::infinity();
}

double quota_v2(const std::filesystem::path& folder) {
  const std::string line = first_line(folder / "cpu.max");  // "max 100000" or "150000 100000"
  std::string_view rest = line;
  const auto quota = take_number<double>(rest);
  return quota_of(quota, take_number<double>(rest));
}

double quota_v1(const std::filesystem::path& folder) {
  const std::string quota = first_line(folder / "cpu.cfs_quota_us");  // -1 without a limit
  const std::string period = first_line(folder / "cpu.cfs_period_us");
  std::string_view quota_text = quota;
  std::string_view period_text = period;
  return quota_of(take_number<double>(quota_text), take_number<double>(period_text));
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
    const std::string controllers = fmt::format(",{},", line.substr(first + 1, second - first - 1));
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

void add_warning(ThreadCount& choice, const std::string& text) {
  choice.warning += (choice.warning.empty() ? "" : "; ") + text;
}

/// "NAME=text" if the text may go to a terminal.
std::string setting(const std::string& name, std::string_view text) {
  constexpr std::size_t kLong = 30;
  const bool plain = text.size() <= kLong && std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
  return plain ? fmt::format("{}={}", name, text) : name;
}

/// The number of threads in a variable of the environment; adds a warning if there is something else.
std::optional<int> environment_count(const char* name, ThreadCount& choice) {
  const char* const text = std::getenv(name);
  if (text == nullptr || *text == '\0') return std::nullopt;
  const std::optional<int> count = leading_count(text);
  if (count && *count >= 1 && *count <= most_threads()) return count;
  add_warning(choice, fmt::format("{} is ignored: expected 1 to {}", setting(name, text), most_threads()));
  return std::nullopt;
}

ThreadCount count_cores(const std::vector<int>& cpus, const std::filesystem::path& root) {
  const int logical = std::max(1, static_cast<int>(cpus.size()));
  const int cores = std::max(1, physical_cores(cpus, root));
  // OpenMP has then bound this thread to its first place before the program began.
  const char* const bind = std::getenv("OMP_PROC_BIND");
  const std::string narrowed =
      bind == nullptr || std::string_view(bind) == "false" ? "" : ", which OMP_PROC_BIND narrows";
  return {cores, cores == logical ? fmt::format("{} in the affinity mask{}", counted(cores, "physical core"), narrowed)
                                  : fmt::format("{} in the affinity mask of {}{}", counted(cores, "physical core"),
                                                counted(logical, "logical CPU"), narrowed)};
}

ThreadCount count_by_surroundings(const std::vector<int>& cpus, const std::filesystem::path& root) {
  ThreadCount choice = count_cores(cpus, root);
  if (const auto omp = environment_count("OMP_NUM_THREADS", choice)) {
    choice.count = *omp;
    choice.reason = fmt::format("OMP_NUM_THREADS={}", *omp);
  }
  const auto lower_to = [&choice](int count, const std::string& reason) {
    if (count >= choice.count) return;
    choice.count = count;
    choice.reason = fmt::format("{}, fewer than {}", reason, choice.reason);
  };
  if (const auto slurm = environment_count("SLURM_CPUS_PER_TASK", choice)) {
    lower_to(*slurm, fmt::format("SLURM_CPUS_PER_TASK={}", *slurm));
  }
  const double quota = cgroup_quota(root);
  if (quota <= most_threads()) {
    lower_to(std::max(1, static_cast<int>(std::ceil(quota))), fmt::format("the cgroup's quota of {:.4g} CPUs", quota));
  }
  return choice;
}

}  // namespace

int most_threads() {
  constexpr int kPerCpu = 8;
  constexpr int kAnywhere = 64;
  return std::max(kAnywhere, kPerCpu * static_cast<int>(affinity_mask().size()));
}

void expect_thread_count(const std::string& what, int threads) {
  if (threads >= 1 && threads <= most_threads()) return;
  fail_usage("{} = {}: expected 1 to {}, for {}", what, threads, most_threads(),
             counted(affinity_mask().size(), "CPU"));
}

int startable_threads(int wanted) {
  std::vector<std::thread> threads;
  std::latch all_started(1);
  try {
    while (std::ssize(threads) < wanted) threads.emplace_back([&all_started] { all_started.wait(); });
  } catch (const std::system_error&) {
    // That many, then.
  }
  all_started.count_down();
  for (std::thread& thread : threads) thread.join();
  return static_cast<int>(threads.size());
}

ThreadCount choose_thread_count(int requested, const std::filesystem::path& root) {
  const std::vector<int> cpus = affinity_mask();
  ThreadCount choice = requested > 0 ? ThreadCount{requested, "as requested"} : count_by_surroundings(cpus, root);
  expect_thread_count("threads", choice.count);
  if (choice.count > std::ssize(cpus)) {
    add_warning(choice, fmt::format("more than {}, which is slower", counted(cpus.size(), "CPU")));
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

std::vector<std::vector<int>> cores_by_node(bool whole_machine, const std::filesystem::path& root) {
  std::vector<int> cpus = affinity_mask();
  if (whole_machine) {
    std::vector<int> online = online_cpus(root);
    if (online.size() > cpus.size()) cpus = std::move(online);
  }
  std::map<std::string, std::vector<int>> by_core;
  for (const int cpu : cpus) by_core[core_of(cpu, root)].push_back(cpu);
  std::vector<std::vector<int>> cores;
  for (auto& [name, of_core] : by_core) cores.push_back(std::move(of_core));
  std::ranges::sort(cores, {},
                    [&](const std::vector<int>& core) { return std::pair(node_of(core[0], root), core[0]); });
  return cores;
}

int numa_nodes(const std::filesystem::path& root) {
  std::set<int> nodes;
  for (const int cpu : affinity_mask()) nodes.insert(node_of(cpu, root));
  return std::max(1, static_cast<int>(nodes.size()));
}

int sockets(const std::filesystem::path& root) {
  std::set<std::string> packages;
  for (const int cpu : affinity_mask())
    packages.insert(first_line(root / fmt::format("sys/devices/system/cpu/cpu{}/topology/physical_package_id", cpu)));
  return std::max(1, static_cast<int>(packages.size()));
}

}  // namespace convmixer
