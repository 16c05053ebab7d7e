// Sums in a fixed tree over ranks, which here are threads.
#include "dist/tree_communicator.hpp"

#include "convmixer/core/rng.hpp"
#include "core/summation_tree.hpp"
#include "support/error_of.hpp"
#include "support/thread_ranks.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace convmixer {
namespace {

using testing_support::error_of;
using testing_support::run_ranks;

/// Values whose sum depends on the order of the additions.
template <typename T>
std::vector<T> values_of(int rank, std::size_t count) {
  Rng rng(static_cast<std::uint64_t>(rank) + 7, RandomStream::synthetic_data);
  std::vector<T> values(count);
  for (T& value : values) value = static_cast<T>(rng.normal()) * static_cast<T>(1 + rng.below(1000));
  return values;
}

/// sum(b, e) = sum(b, m) + sum(m, e).
template <typename T>
std::vector<T> tree_sum(int begin, int end, std::size_t count) {
  if (end - begin == 1) return values_of<T>(begin, count);
  const int middle = (begin + end) / 2;
  std::vector<T> sum = tree_sum<T>(begin, middle, count);
  const std::vector<T> upper = tree_sum<T>(middle, end, count);
  for (std::size_t i = 0; i < count; ++i) sum[i] += upper[i];
  return sum;
}

class TreeCommunicator : public testing::TestWithParam<int> {};

template <typename T>
void expect_tree_sums(int ranks) {
  for (const std::size_t count : {std::size_t{1}, std::size_t{5}, std::size_t{9001}, std::size_t{30'011}}) {
    const std::vector<T> expected = tree_sum<T>(0, ranks, count);
    run_ranks(ranks, [&](Communicator& communicator) {
      std::vector<T> values = values_of<T>(communicator.rank(), count);
      communicator.sum(std::span(values));
      EXPECT_EQ(values, expected) << count << " values, rank " << communicator.rank();
    });
  }
}

TEST_P(TreeCommunicator, SumsFloatsInTheTree) { expect_tree_sums<float>(GetParam()); }
TEST_P(TreeCommunicator, SumsDoublesInTheTree) { expect_tree_sums<double>(GetParam()); }

/// 8 leaves of one process, or an eighth, quarter or half of them on each rank: the same bits.
TEST(TreeCommunicatorOfShares, CompletesTheTreeOfOneProcess) {
  constexpr std::size_t kLeaves = 8;
  std::array<float, kLeaves> leaves{};
  Rng rng(3, RandomStream::synthetic_data);
  for (float& leaf : leaves) leaf = rng.normal() * 1e3F + rng.normal();
  const auto sum = [&](std::size_t first, std::size_t count) {
    std::array<float, kMostPartialSums> stack{};
    add_up_tree(
        count, [&](std::size_t i, std::size_t slot) { stack[slot] = leaves[first + i]; },
        [&](std::size_t slot) { stack[slot] += stack[slot + 1]; });
    return stack[0];
  };
  for (const int ranks : {1, 2, 4, 8}) {
    run_ranks(ranks, [&](Communicator& communicator) {
      const std::size_t share = kLeaves / static_cast<std::size_t>(ranks);
      std::array<float, 1> value{sum(static_cast<std::size_t>(communicator.rank()) * share, share)};
      communicator.sum(std::span<float>(value));
      EXPECT_EQ(value[0], sum(0, kLeaves)) << ranks << " ranks";
    });
  }
}

TEST_P(TreeCommunicator, CombinesLowerWithUpperByAnyOperation) {
  // a then b, which is not b then a: the ranks' numbers as the digits of a number.
  const auto append = [](std::span<double> lower, std::span<const double> upper) {
    lower[0] = lower[0] * upper[1] + upper[0];
    lower[1] *= upper[1];
  };
  double expected = 0.0;
  for (int rank = 0; rank < GetParam(); ++rank) expected = expected * 10.0 + rank;
  run_ranks(GetParam(), [&](Communicator& communicator) {
    std::array<double, 2> value{static_cast<double>(communicator.rank()), 10.0};
    communicator.combine(value, append);
    EXPECT_EQ(value[0], expected);
  });
}

TEST_P(TreeCommunicator, BroadcastsFromEachRank) {
  for (int root = 0; root < GetParam(); ++root) {
    run_ranks(GetParam(), [&](Communicator& communicator) {
      const std::string text = "from rank " + std::to_string(communicator.rank());
      EXPECT_EQ(broadcast_text(communicator, text, root), "from rank " + std::to_string(root));
      EXPECT_EQ(broadcast_number(communicator, communicator.rank(), root), root);
      communicator.broadcast({}, root);
    });
  }
}

TEST_P(TreeCommunicator, GathersTextsAndTheLargestNumber) {
  run_ranks(GetParam(), [&](Communicator& communicator) {
    const std::vector<std::string> texts =
        gather_texts(communicator, std::string(static_cast<std::size_t>(communicator.rank()), 'x'));
    ASSERT_EQ(texts.size(), static_cast<std::size_t>(GetParam()));
    for (std::size_t rank = 0; rank < texts.size(); ++rank) EXPECT_EQ(texts[rank], std::string(rank, 'x'));
    EXPECT_EQ(
        largest_of_ranks(communicator, -static_cast<double>((communicator.rank() - 1) * (communicator.rank() - 1))),
        GetParam() == 1 ? -1.0 : 0.0);
    communicator.barrier();
  });
}

INSTANTIATE_TEST_SUITE_P(Ranks, TreeCommunicator, testing::Values(1, 2, 3, 4, 5, 7, 8, 16),
                         [](const auto& instance) { return std::to_string(instance.param); });

/// What the tests of ranks rest on: one that ends before the others are through with it is an error, not a wait.
TEST(ThreadRanks, FailWhereOneEndsBeforeTheOthersAreThrough) {
  const Error error = error_of([] {
    run_ranks(2, [](Communicator& communicator) {
      if (communicator.rank() == 1) communicator.barrier();
    });
  });
  EXPECT_STREQ(error.what(), "rank 0 is gone");
}

}  // namespace
}  // namespace convmixer
