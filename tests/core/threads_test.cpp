#include "convmixer/core/threads.hpp"

#include "convmixer/core/error.hpp"
#include "support/environment_variable.hpp"
#include "support/error_of.hpp"
#include "support/no_more_threads.hpp"
#include "support/temporary_folder.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <sched.h>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

namespace convmixer {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing_support::EnvironmentVariable;
using testing_support::error_of;
using testing_support::forbid_more_threads;
using testing_support::TemporaryFolder;

std::vector<int> allowed_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  sched_getaffinity(0, sizeof set, &set);
  std::vector<int> cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(static_cast<std::size_t>(cpu), &set)) cpus.push_back(cpu);
  }
  return cpus;
}

/// A machine of our making below a temporary folder: an empty root has neither quotas nor hyper-threads.
class ChooseThreadCount : public testing::Test {
 protected:
  [[nodiscard]] ThreadCount choose(int requested = 0) const { return choose_thread_count(requested, root_.path()); }

  /// A core count that no machine limits, so that quotas show.
  void pretend_cores(int count) { omp_pretended_.emplace("OMP_NUM_THREADS", std::to_string(count)); }

  void write_siblings(const std::string& file, int cores) const {
    for (const int cpu : allowed_cpus()) {
      root_.write(fmt::format("sys/devices/system/cpu/cpu{}/topology/{}", cpu, file),
                  fmt::format("{},{}\n", cpu % cores, cpu % cores + 1000));
    }
  }

  TemporaryFolder root_;

 private:
  EnvironmentVariable omp_{"OMP_NUM_THREADS"};
  EnvironmentVariable omp_bind_{"OMP_PROC_BIND"};
  EnvironmentVariable slurm_{"SLURM_CPUS_PER_TASK"};
  std::optional<EnvironmentVariable> omp_pretended_;
};

TEST_F(ChooseThreadCount, TakesEveryCpuOfTheAffinityMask) {
  const auto cpus = static_cast<int>(allowed_cpus().size());
  EXPECT_EQ(choose().count, cpus);
  EXPECT_THAT(choose().reason, AllOf(HasSubstr(std::to_string(cpus)), HasSubstr("affinity mask")));
}

TEST_F(ChooseThreadCount, KeepsToANarrowerAffinityMask) {
  std::thread([this] {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<std::size_t>(allowed_cpus().back()), &set);
    ASSERT_EQ(sched_setaffinity(0, sizeof set, &set), 0);
    EXPECT_EQ(choose().count, 1);
  }).join();
}

TEST_F(ChooseThreadCount, SaysThatOmpProcBindNarrowsTheMask) {
  const EnvironmentVariable bind("OMP_PROC_BIND", "close");
  EXPECT_THAT(choose().reason, HasSubstr("affinity mask, which OMP_PROC_BIND narrows"));
}

TEST_F(ChooseThreadCount, CountsHyperThreadsOfACoreOnce) {
  write_siblings("core_cpus_list", 1);
  EXPECT_EQ(choose().count, 1);
  EXPECT_THAT(choose().reason, HasSubstr("1 physical core"));
  write_siblings("core_cpus_list", 2);
  EXPECT_EQ(choose().count, std::min<int>(2, static_cast<int>(allowed_cpus().size())));
}

TEST_F(ChooseThreadCount, ReadsTheSiblingListOfOlderKernels) {
  write_siblings("thread_siblings_list", 1);
  EXPECT_EQ(choose().count, 1);
}

TEST_F(ChooseThreadCount, LetsTheRequestWinOverEverything) {
  const EnvironmentVariable omp("OMP_NUM_THREADS", "3");
  const EnvironmentVariable slurm("SLURM_CPUS_PER_TASK", "2");
  root_.write("proc/self/cgroup", "0::/\n");
  root_.write("sys/fs/cgroup/cpu.max", "100000 100000\n");
  EXPECT_EQ(choose(7).count, 7);
  EXPECT_THAT(choose(7).reason, HasSubstr("requested"));
}

TEST_F(ChooseThreadCount, ReplacesTheCoreCountByOmpNumThreads) {
  for (const auto& [text, count] : {std::pair("3", 3), std::pair("4,2", 4), std::pair(" 5", 5), std::pair("60", 60)}) {
    const EnvironmentVariable omp("OMP_NUM_THREADS", text);
    EXPECT_EQ(choose().count, count) << text;
    EXPECT_THAT(choose().reason, HasSubstr(fmt::format("OMP_NUM_THREADS={}", count)));
  }
}

TEST_F(ChooseThreadCount, IgnoresAnOmpNumThreadsThatIsNoCount) {
  const int cpus = choose().count;
  for (const char* text : {"", "0", "-2", "many", "4x", "2.5", "99999999999999", ",4"}) {
    const EnvironmentVariable omp("OMP_NUM_THREADS", text);
    EXPECT_EQ(choose().count, cpus) << text;
    EXPECT_THAT(choose().reason, HasSubstr("affinity mask")) << text;
  }
}

TEST_F(ChooseThreadCount, SaysWhichVariablesItIgnores) {
  const std::string expected = fmt::format(" is ignored: expected 1 to {}", most_threads());
  for (const char* text : {"0", "-2", "many", "66000", "2147483647", "99999999999999"}) {
    const EnvironmentVariable omp("OMP_NUM_THREADS", text);
    EXPECT_EQ(choose().warning, std::string("OMP_NUM_THREADS=") + text + expected);
  }
  const EnvironmentVariable slurm("SLURM_CPUS_PER_TASK", "\x1b[2J");  // not to be written to a terminal
  EXPECT_EQ(choose().warning, "SLURM_CPUS_PER_TASK" + expected);
}

TEST_F(ChooseThreadCount, IgnoresNoVariableThatIsEmptyOrRight) {
  const auto cpus = static_cast<int>(allowed_cpus().size());
  for (const std::string& text : {std::string(), std::string("1,7"), std::to_string(cpus)}) {
    const EnvironmentVariable omp("OMP_NUM_THREADS", text);
    EXPECT_EQ(choose().warning, "") << text;
  }
}

TEST_F(ChooseThreadCount, WarnsOfMoreThreadsThanCpus) {
  const auto cpus = static_cast<int>(allowed_cpus().size());
  EXPECT_EQ(choose(cpus).warning, "");
  EXPECT_THAT(choose(cpus + 1).warning, HasSubstr(fmt::format("more than {} CPU", cpus)));
}

TEST_F(ChooseThreadCount, RefusesARequestForMoreThanTheMachineCanServe) {
  EXPECT_EQ(choose(most_threads()).count, most_threads());
  const Error error = error_of([&] { (void)choose(most_threads() + 1); });
  EXPECT_EQ(error.kind(), ErrorKind::usage);
  EXPECT_THAT(error.what(), HasSubstr(fmt::format("threads = {}: expected 1 to {}, for {} CPU", most_threads() + 1,
                                                  most_threads(), allowed_cpus().size())));
}

TEST_F(ChooseThreadCount, TakesNoLimitFromAQuotaBeyondAllNumbers) {
  root_.write("proc/self/cgroup", "0::/\n");
  root_.write("sys/fs/cgroup/cpu.max", "9000000000000000000 1\n");
  EXPECT_EQ(choose().count, static_cast<int>(allowed_cpus().size()));
}

TEST(StartableThreads, AreThoseThatTheSystemStarts) {
  EXPECT_EQ(startable_threads(0), 0);
  EXPECT_EQ(startable_threads(3), 3);
  std::thread([] {
    if (!forbid_more_threads()) GTEST_SKIP() << "no seccomp here";
    EXPECT_EQ(startable_threads(3), 0);
  }).join();
}

TEST_F(ChooseThreadCount, KeepsToSlurmsShare) {
  pretend_cores(64);
  const EnvironmentVariable slurm("SLURM_CPUS_PER_TASK", "16");
  EXPECT_EQ(choose().count, 16);
  EXPECT_THAT(choose().reason, HasSubstr("SLURM_CPUS_PER_TASK=16"));
}

TEST_F(ChooseThreadCount, IsNotRaisedBySlurm) {
  pretend_cores(4);
  const EnvironmentVariable slurm("SLURM_CPUS_PER_TASK", "16");
  EXPECT_EQ(choose().count, 4);
}

TEST_F(ChooseThreadCount, RoundsTheQuotaOfCgroup2Up) {
  pretend_cores(64);
  root_.write("proc/self/cgroup", "0::/user.slice/app.scope\n");
  root_.write("sys/fs/cgroup/user.slice/app.scope/cpu.max", "250000 100000\n");
  EXPECT_EQ(choose().count, 3);
  EXPECT_THAT(choose().reason, AllOf(HasSubstr("cgroup"), HasSubstr("2.5")));
}

TEST_F(ChooseThreadCount, KeepsToTheQuotaOfEveryParentOfACgroup2) {
  pretend_cores(64);
  root_.write("proc/self/cgroup", "0::/a/b/c\n");
  root_.write("sys/fs/cgroup/a/b/c/cpu.max", "max 100000\n");
  root_.write("sys/fs/cgroup/a/b/cpu.max", "800000 100000\n");
  root_.write("sys/fs/cgroup/a/cpu.max", "400000 50000\n");
  EXPECT_EQ(choose().count, 8);
  root_.write("sys/fs/cgroup/a/cpu.max", "200000 50000\n");
  EXPECT_EQ(choose().count, 4);
  root_.write("sys/fs/cgroup/cpu.max", "50000 100000\n");  // the container's own, where the path is not visible
  EXPECT_EQ(choose().count, 1);
}

TEST_F(ChooseThreadCount, TakesNoLimitFromAnUnlimitedCgroup2) {
  pretend_cores(64);
  root_.write("proc/self/cgroup", "0::/a\n");
  root_.write("sys/fs/cgroup/a/cpu.max", "max 100000\n");
  EXPECT_EQ(choose().count, 64);
  root_.write("sys/fs/cgroup/a/cpu.max", "gibberish\n");
  EXPECT_EQ(choose().count, 64);
}

TEST_F(ChooseThreadCount, KeepsToTheQuotaOfCgroup1AndItsParents) {
  pretend_cores(64);
  root_.write("proc/self/cgroup", "5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n0::/\n");
  root_.write("sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "-1\n");
  root_.write("sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(choose().count, 64);
  root_.write("sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_quota_us", "600000\n");
  root_.write("sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(choose().count, 6);
  root_.write("sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us", "150000\n");
  root_.write("sys/fs/cgroup/cpu/docker/abc/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(choose().count, 2);
}

TEST_F(ChooseThreadCount, TakesTheSmallestOfSlurmAndQuota) {
  pretend_cores(64);
  const EnvironmentVariable slurm("SLURM_CPUS_PER_TASK", "4");
  root_.write("proc/self/cgroup", "0::/\n");
  root_.write("sys/fs/cgroup/cpu.max", "800000 100000\n");
  EXPECT_EQ(choose().count, 4);
  root_.write("sys/fs/cgroup/cpu.max", "300000 100000\n");
  EXPECT_EQ(choose().count, 3);
}

TEST(ChooseThreadCountHere, GivesAtLeastOneThreadAndAReason) {
  EXPECT_GE(choose_thread_count(0).count, 1);
  EXPECT_FALSE(choose_thread_count(0).reason.empty());
}

TEST(CpusByCore, TakesOneCpuOfEachPhysicalCoreFirst) {
  const std::vector<int> cpus = allowed_cpus();
  const TemporaryFolder root;
  EXPECT_EQ(cpus_by_core(root.path()), cpus);
  // All CPUs are one core's: their order stays. With two cores that take turns it is first the even ones.
  for (const std::size_t cores : {std::size_t{1}, std::size_t{2}}) {
    for (std::size_t i = 0; i < cpus.size(); ++i) {
      root.write(fmt::format("sys/devices/system/cpu/cpu{}/topology/core_cpus_list", cpus[i]),
                 fmt::format("{}\n", i / ((cpus.size() + cores - 1) / cores)));
    }
    const std::vector<int> found = cpus_by_core(root.path());
    EXPECT_THAT(found, testing::UnorderedElementsAreArray(cpus));
    EXPECT_EQ(found.front(), cpus.front());
    if (cores == 1 || cpus.size() < 3) {
      EXPECT_EQ(found, cpus);
    } else {
      EXPECT_EQ(found[1], cpus[(cpus.size() + 1) / 2]);  // the second core's first
      EXPECT_EQ(found[2], cpus[1]);                      // the first core's second
    }
  }
}

TEST(CoresByNode, OfTheWholeMachineAreThoseThatAreOnline) {
  const auto allowed = static_cast<int>(allowed_cpus().size());
  const TemporaryFolder root;
  root.write("sys/devices/system/cpu/online", fmt::format("0,2-{},{}\n", allowed + 2, allowed + 4));
  std::vector<std::vector<int>> expected{{0}};
  for (int cpu = 2; cpu <= allowed + 2; ++cpu) expected.push_back({cpu});
  expected.push_back({allowed + 4});
  EXPECT_EQ(cores_by_node(/*whole_machine=*/true, root.path()), expected);
  EXPECT_EQ(static_cast<int>(cores_by_node(/*whole_machine=*/false, root.path()).size()), allowed);
}

TEST(CoresByNode, OfTheWholeMachineAreCountedWhereTheSystemDoesNotListThem) {
  const auto allowed = static_cast<long>(allowed_cpus().size());
  const TemporaryFolder root;
  for (const char* list : {"", "x", "0-", "3-1", "0,,1", "0-3;5", "-1", "0-99999999999"}) {
    root.write("sys/devices/system/cpu/online", std::string(list) + "\n");
    EXPECT_EQ(std::ssize(cores_by_node(/*whole_machine=*/true, root.path())),
              std::max(allowed, ::sysconf(_SC_NPROCESSORS_ONLN)))
        << list;
  }
}

}  // namespace
}  // namespace convmixer
