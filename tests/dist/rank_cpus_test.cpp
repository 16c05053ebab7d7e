// Which CPUs ranks of a machine use.
#include "convmixer/dist/rank_cpus.hpp"

#include "support/error_of.hpp"
#include "support/thread_ranks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <sched.h>
#include <string>
#include <thread>
#include <vector>

namespace convmixer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::error_of;

const Cores kEight{{0, 8}, {1, 9}, {2, 10}, {3, 11}, {4, 12}, {5, 13}, {6, 14}, {7, 15}};

TEST(RankCpus, AreSharedByCoresThatLieTogether) {
  const std::vector<RankPlace> places(3, {"a", kEight});
  EXPECT_THAT(share_of_cpus(places, 0), ElementsAre(0, 8, 1, 9));
  EXPECT_THAT(share_of_cpus(places, 1), ElementsAre(2, 10, 3, 11, 4, 12));
  EXPECT_THAT(share_of_cpus(places, 2), ElementsAre(5, 13, 6, 14, 7, 15));
}

TEST(RankCpus, AreSharedOnEachMachineByItsOwnRanks) {
  const std::vector<RankPlace> places{{"a", {{0}, {1}}}, {"b", {{0}, {1}}}, {"a", {{0}, {1}}}};
  EXPECT_THAT(share_of_cpus(places, 0), ElementsAre(0));
  EXPECT_THAT(share_of_cpus(places, 1), ElementsAre(0, 1));
  EXPECT_THAT(share_of_cpus(places, 2), ElementsAre(1));
}

TEST(RankCpus, AreLeftToALauncherThatGaveEachRankItsOwn) {
  const std::vector<RankPlace> places{{"a", {{0}, {1}}}, {"a", {{2}, {3}}}};
  EXPECT_THAT(share_of_cpus(places, 0), ElementsAre(0, 1));
  EXPECT_THAT(share_of_cpus(places, 1), ElementsAre(2, 3));
}

TEST(RankCpus, AreAllWhereThereAreFewerCoresThanRanks) {
  const std::vector<RankPlace> places(3, {"a", {{0}, {1}}});
  for (int rank = 0; rank < 3; ++rank) EXPECT_THAT(share_of_cpus(places, rank), ElementsAre(0, 1));
}

TEST(RankCpus, OfALauncherThatBindsToACoreAreRefusedWhereThereAreMore) {
  const std::vector<RankPlace> bound{{"a", {{0}}}, {"a", {{1}}}};
  EXPECT_THAT(why_bound(bound, 1, 8),
              HasSubstr("rank 1 may run on one core alone, where each of the 2 on this machine could have 4 cores"));
  EXPECT_THAT(why_bound(bound, 1, 8), HasSubstr("mpirun --bind-to none"));
  EXPECT_EQ(why_bound(bound, 0, 3), "");  // a core each is their share
  EXPECT_EQ(why_bound(std::vector<RankPlace>(2, {"a", kEight}), 0, 8), "");
}

TEST(RankCpus, OfARankThatHasNoPlaceAreRefused) {
  const std::vector<RankPlace> places(3, {"a", kEight});
  for (const int rank : {-1, 3}) {
    const Error error = error_of([&] { (void)share_of_cpus(places, rank); });
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_EQ(std::string(error.what()),
              "CPUs of rank " + std::to_string(rank) + ": expected one of the 3 ranks whose places are given");
    EXPECT_STREQ(error_of([&] { (void)why_bound(places, rank, 8); }).what(), error.what());
  }
  EXPECT_EQ(error_of([] { (void)share_of_cpus({}, 0); }).kind(), ErrorKind::usage);
}

TEST(RankCpus, AreToldAsText) {
  for (const RankPlace& place : {RankPlace{"node-1", kEight}, RankPlace{"", {{3}}}, RankPlace{"x", {}}})
    EXPECT_EQ(parse_rank_place(to_text(place)), place);
  for (const std::string cpus : {"1 x", "1x2"}) {
    EXPECT_EQ(error_of([&] { (void)parse_rank_place("a\n" + cpus); }).what(),
              fmt::format("CPUs of a rank: found '{}', expected numbers", cpus));
  }
}

/// Runs body() on a thread of its own, so that the test's may go on on all CPUs.
void on_a_thread(const std::function<void()>& body) { std::thread(body).join(); }

TEST(RankThreads, RunOnTheirRanksShareOfTheCpus) {
  const Cores cores = rank_place().cores;
  for (const int ranks : {1, 2}) {
    std::vector<std::vector<int>> cpus(static_cast<std::size_t>(ranks));
    std::vector<int> threads(static_cast<std::size_t>(ranks));
    testing_support::run_ranks(ranks, [&](Communicator& communicator) {
      const auto rank = static_cast<std::size_t>(communicator.rank());
      const int share = std::max(1, static_cast<int>(cores.size()) / ranks);
      threads[rank] = choose_rank_threads(communicator, share).count;
      for (const std::vector<int>& core : rank_place().cores)
        cpus[rank].insert(cpus[rank].end(), core.begin(), core.end());
      EXPECT_EQ(threads[rank], share);
    });
    const std::vector<RankPlace> places(static_cast<std::size_t>(ranks), {"here", cores});
    for (int rank = 0; rank < ranks; ++rank)
      EXPECT_THAT(cpus[static_cast<std::size_t>(rank)],
                  testing::UnorderedElementsAreArray(share_of_cpus(places, rank)));
  }
}

TEST(RankThreads, KnowOtherRanksCpusFromThem) {
  const Cores cores = rank_place().cores;
  if (cores.size() < 2) GTEST_SKIP() << "one core";
  testing_support::run_ranks(2, [&](Communicator& communicator) {
    if (communicator.rank() == 0) run_on(cores.front());
    const Cores before = rank_place().cores;
    (void)choose_rank_threads(communicator, 1);
    EXPECT_EQ(rank_place().cores, before) << "a launcher gave each its own";
  });
}

TEST(RankThreads, OfARankThatIsBoundToACoreMustBeAskedFor) {
  const Cores machine = cores_by_node(/*whole_machine=*/true);
  if (machine.size() < 2) GTEST_SKIP() << "a machine of one core";
  on_a_thread([] {
    run_on(rank_place().cores.front());
    const auto alone = make_local_communicator();
    const Error error = error_of([&] { (void)choose_rank_threads(*alone, 0); });
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_THAT(error.what(), HasSubstr("rank 0 may run on one core alone"));
    EXPECT_EQ(choose_rank_threads(*alone, 1).count, 1);
  });
}

TEST(RankThreads, AreRefusedCpusThatAreNotThere) {
  on_a_thread(
      [] { EXPECT_THAT(error_of([] { run_on({CPU_SETSIZE - 1}); }).what(), HasSubstr("can't run on them: ")); });
}

}  // namespace
}  // namespace convmixer
