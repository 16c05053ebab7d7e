#include "plan/memory_plan.hpp"

#include "convmixer/core/rng.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace convmixer {
namespace {

constexpr std::size_t kLine = 64;

std::size_t rounded(std::size_t bytes) { return (bytes + kLine - 1) / kLine * kLine; }

/// Random buffers, small or large ones, some of whole cache lines.
std::vector<Lifetime> random_lifetimes(Rng& rng) {
  const std::size_t count = 1 + rng.below(40);
  const std::uint32_t steps = 1 + rng.below(30);
  const std::uint32_t largest = rng.below(2) == 0 ? 5U * std::uint32_t{kLine} : 100000U;
  std::vector<Lifetime> lifetimes;
  for (std::size_t i = 0; i < count; ++i) {
    const auto a = static_cast<int>(rng.below(steps));
    const auto b = static_cast<int>(rng.below(steps));
    const std::size_t bytes = rng.below(4) == 0 ? kLine * (1 + rng.below(5)) : 1 + rng.below(largest);
    lifetimes.push_back({bytes, std::min(a, b), std::max(a, b)});
  }
  return lifetimes;
}

std::size_t sum_of_all(const std::vector<Lifetime>& lifetimes) {
  std::size_t sum = 0;
  for (const Lifetime& lifetime : lifetimes) sum += rounded(lifetime.bytes);
  return sum;
}

/// Most bytes in use at one step.
std::size_t peak(const std::vector<Lifetime>& lifetimes) {
  std::size_t most = 0;
  for (int step = 0; step < 30; ++step) {
    std::size_t live = 0;
    for (const Lifetime& one : lifetimes) live += one.first <= step && step <= one.last ? one.bytes : 0;
    most = std::max(most, live);
  }
  return most;
}

bool alive_together(const Lifetime& a, const Lifetime& b) {
  return std::max(a.first, b.first) <= std::min(a.last, b.last);
}

bool share_bytes(const Lifetime& a, const Lifetime& b) {
  return std::max(a.offset, b.offset) < std::min(a.offset + a.bytes, b.offset + b.bytes);
}

TEST(MemoryPlan, NeverOverlapsLiveBuffersAndStaysBetweenPeakAndSum) {
  Rng rng(1, RandomStream::synthetic_data);
  for (int round = 0; round < 500; ++round) {
    std::vector<Lifetime> lifetimes = random_lifetimes(rng);
    const std::size_t arena = place_in_arena(lifetimes);
    ASSERT_GE(arena, peak(lifetimes)) << "round " << round;
    ASSERT_LE(arena, sum_of_all(lifetimes)) << "round " << round;
    for (std::size_t i = 0; i < lifetimes.size(); ++i) {
      ASSERT_EQ(lifetimes[i].offset % kLine, 0U) << "round " << round;
      ASSERT_LE(lifetimes[i].offset + lifetimes[i].bytes, arena) << "round " << round;
      for (std::size_t j = 0; j < i; ++j) {
        ASSERT_FALSE(alive_together(lifetimes[i], lifetimes[j]) && share_bytes(lifetimes[i], lifetimes[j]))
            << "round " << round << ": buffers " << j << " and " << i;
      }
    }
  }
}

TEST(MemoryPlan, LeavesSizesAndLifetimesAsTheyAre) {
  Rng rng(2, RandomStream::synthetic_data);
  const std::vector<Lifetime> before = random_lifetimes(rng);
  std::vector<Lifetime> after = before;
  place_in_arena(after);
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(after[i].bytes, before[i].bytes);
    EXPECT_EQ(after[i].first, before[i].first);
    EXPECT_EQ(after[i].last, before[i].last);
  }
}

TEST(MemoryPlan, ReusesMemoryOfBuffersThatAreNoLongerInUse) {
  // A chain, each step reading what the one before wrote: two buffers' memory does for all.
  std::vector<Lifetime> chain;
  for (int step = 0; step < 10; ++step) chain.push_back({1024, step, step + 1});
  EXPECT_EQ(place_in_arena(chain), 2048U);
  for (std::size_t i = 0; i < chain.size(); ++i) EXPECT_EQ(chain[i].offset, i % 2 == 0 ? 0U : 1024U) << i;
}

TEST(MemoryPlan, FillsTheLowestGapThatIsLargeEnough) {
  // The four largest leave a gap of 128 bytes at steps 5 and 6: between the third's end and the fourth.
  std::vector<Lifetime> lifetimes = {
      {4096, 0, 9}, {2048, 0, 4}, {1920, 5, 6}, {1024, 0, 9}, {128, 5, 6}, {100, 5, 6}, {64, 7, 7},
  };
  EXPECT_EQ(place_in_arena(lifetimes), 4096U + 2048U + 1024U + 128U);
  const std::size_t expected[] = {0, 4096, 4096, 6144, 6016, 7168, 4096};
  for (std::size_t i = 0; i < lifetimes.size(); ++i) EXPECT_EQ(lifetimes[i].offset, expected[i]) << i;
}

TEST(MemoryPlan, CountsTheLastStepAsInUse) {
  std::vector<Lifetime> touching = {{64, 0, 3}, {64, 3, 5}};
  EXPECT_EQ(place_in_arena(touching), 128U);
  std::vector<Lifetime> apart = {{64, 0, 3}, {64, 4, 5}};
  EXPECT_EQ(place_in_arena(apart), 64U);
}

TEST(MemoryPlan, NeedsNothingForNoBuffers) {
  std::vector<Lifetime> none;
  EXPECT_EQ(place_in_arena(none), 0U);
}

}  // namespace
}  // namespace convmixer
