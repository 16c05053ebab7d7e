// Which CPUs ranks of a machine use.
#include "convmixer/dist/rank_cpus.hpp"

#include "support/error_of.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

TEST(RankCpus, AreToldAsText) {
  for (const RankPlace& place : {RankPlace{"node-1", kEight}, RankPlace{"", {{3}}}, RankPlace{"x", {}}})
    EXPECT_EQ(parse_rank_place(to_text(place)), place);
  EXPECT_STREQ(error_of([] { (void)parse_rank_place("a\n1 x"); }).what(),
               "CPUs of a rank: found '1 x', expected numbers");
}

}  // namespace
}  // namespace convmixer
