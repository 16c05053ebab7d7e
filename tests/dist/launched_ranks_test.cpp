// What a launcher's environment says, and where the MPI plug-in is. Several processes: tests/tools/ranks_test.py.
#include "convmixer/dist/launched_ranks.hpp"

#include "support/environment_variable.hpp"
#include "support/error_of.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <list>
#include <tuple>
#include <utility>
#include <vector>

namespace convmixer {
namespace {

using testing::HasSubstr;
using testing_support::EnvironmentVariable;
using testing_support::error_of;

/// Only these of the variables that launchers set.
class Environment {
 public:
  using Variables = std::vector<std::pair<std::string, std::string>>;

  explicit Environment(const Variables& set) {
    for (const char* name :
         {"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_LOCAL_RANK", "PMI_SIZE", "PMI_RANK",
          "MPI_LOCALRANKID", "SLURM_STEP_NUM_TASKS", "SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID"}) {
      variables_.emplace_back(name);
    }
    for (const auto& [name, value] : set) variables_.emplace_back(name, value);
  }

 private:
  std::list<EnvironmentVariable> variables_;
};

TEST(Launch, IsNoneWithoutALauncher) {
  const Environment none(Environment::Variables{});
  EXPECT_EQ(find_launch().ranks, 1);
  EXPECT_EQ(find_launch().launcher, "");
}

TEST(Launch, IsOfMpirunOrSrun) {
  struct Case {
    Environment::Variables variables;
    std::string launcher;
  };
  for (const Case& one : {Case{{{"OMPI_COMM_WORLD_SIZE", "4"}, {"OMPI_COMM_WORLD_RANK", "3"}}, "Open MPI"},
                          Case{{{"PMI_SIZE", "4"}, {"PMI_RANK", "3"}}, "MPICH or Intel MPI"},
                          Case{{{"SLURM_STEP_NUM_TASKS", "4"}, {"SLURM_PROCID", "3"}}, "srun"}}) {
    const Environment environment(one.variables);
    const Launch launch = find_launch();
    EXPECT_EQ(launch.ranks, 4);
    EXPECT_EQ(launch.rank, 3);
    EXPECT_EQ(launch.launcher, one.launcher);
  }
}

TEST(Launch, HasThePlaceAmongTheRanksOfItsMachineIfThatIsSaid) {
  for (const auto& [size, rank, local_rank] :
       {std::tuple{"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_LOCAL_RANK"},
        std::tuple{"PMI_SIZE", "PMI_RANK", "MPI_LOCALRANKID"},
        std::tuple{"SLURM_STEP_NUM_TASKS", "SLURM_PROCID", "SLURM_LOCALID"}}) {
    const Environment said(Environment::Variables{{size, "4"}, {rank, "3"}, {local_rank, "1"}});
    EXPECT_EQ(find_launch().local_rank, 1);
    const Environment not_said(Environment::Variables{{size, "4"}, {rank, "3"}});
    EXPECT_EQ(find_launch().local_rank, -1);
  }
}

/// srun sets its own variables beside those of the MPI that it starts, by which the processes find each other.
TEST(Launch, IsOfTheMpiThatSrunStarts) {
  for (const auto& [size, rank, launcher] : {std::tuple{"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "Open MPI"},
                                             std::tuple{"PMI_SIZE", "PMI_RANK", "MPICH or Intel MPI"}}) {
    const Environment both(
        Environment::Variables{{"SLURM_STEP_NUM_TASKS", "8"}, {"SLURM_PROCID", "7"}, {size, "4"}, {rank, "3"}});
    const Launch launch = find_launch();
    EXPECT_EQ(launch.ranks, 4);
    EXPECT_EQ(launch.rank, 3);
    EXPECT_EQ(launch.launcher, launcher);
  }
}

/// A script of SLURM's has the number of tasks that it may start, but is none of them.
TEST(Launch, IsNoneInABatchScriptAndOfOneProcess) {
  const Environment script(Environment::Variables{{"SLURM_NTASKS", "4"}, {"SLURM_PROCID", "0"}});
  EXPECT_EQ(find_launch().ranks, 1);
  const Environment one(Environment::Variables{{"OMPI_COMM_WORLD_SIZE", "1"}, {"OMPI_COMM_WORLD_RANK", "0"}});
  EXPECT_EQ(find_launch().ranks, 1);
  EXPECT_EQ(find_launch().launcher, "");
}

TEST(Launch, RefusesWhatIsNoNumber) {
  const Environment wrong(Environment::Variables{{"PMI_SIZE", "four"}, {"PMI_RANK", "0"}});
  EXPECT_STREQ(error_of([] { (void)find_launch(); }).what(),
               "PMI_SIZE='four': expected a number, as the launcher of parallel programs sets it");
  const Environment more(Environment::Variables{{"PMI_SIZE", "4"}, {"PMI_RANK", "1st"}});
  EXPECT_THAT(error_of([] { (void)find_launch(); }).what(), HasSubstr("PMI_RANK='1st': expected a number"));
  const Environment missing(Environment::Variables{{"PMI_SIZE", "4"}});
  EXPECT_THAT(error_of([] { (void)find_launch(); }).what(), HasSubstr("PMI_RANK='': expected a number"));
}

TEST(MpiPlugin, IsWhereAVariableSays) {
  const EnvironmentVariable place("CONVMIXER_MPI_PLUGIN", "/somewhere/plugin.so");
  EXPECT_EQ(find_mpi_plugin(), "/somewhere/plugin.so");
  const Error error = error_of([] { const LaunchedRanks ranks({.ranks = 2, .rank = 0, .launcher = "Open MPI"}); });
  EXPECT_THAT(error.what(), HasSubstr("started as one of 2 processes by Open MPI, but MPI can't be loaded: "
                                      "/somewhere/plugin.so"));
}

TEST(MpiPlugin, OfAnotherKindIsRefused) {
  const EnvironmentVariable place("CONVMIXER_MPI_PLUGIN", "libm.so.6");
  const Error error = error_of([] { const LaunchedRanks ranks({.ranks = 2, .rank = 0, .launcher = "Open MPI"}); });
  EXPECT_STREQ(error.what(), "libm.so.6: of another release than this program, expected version 2");
}

}  // namespace
}  // namespace convmixer
