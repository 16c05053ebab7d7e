#include "convmixer/core/rng.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <set>
#include <vector>

namespace convmixer {
namespace {

using testing::ElementsAre;

TEST(Philox, GivesThePublishedKnownAnswers) {  // kat_vectors of Random123
  EXPECT_THAT(philox4x32({0, 0, 0, 0}, {0, 0}), ElementsAre(0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8));
  EXPECT_THAT(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
              ElementsAre(0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd));
  EXPECT_THAT(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
              ElementsAre(0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1));
}

TEST(Rng, DrawsTheBlocksOfItsCounterInOrder) {
  Rng rng(0x0123456789abcdef, RandomStream::augmentation, 5, 7);
  for (const std::uint32_t block : {0U, 1U, 2U}) {
    for (const std::uint32_t expected : philox4x32({block, 3, 5, 7}, {0x89abcdef, 0x01234567})) {
      EXPECT_EQ(rng.next(), expected);
    }
  }
}

TEST(Rng, DiffersInSeedPurposeAndPlace) {
  std::set<std::vector<std::uint32_t>> starts;
  int made = 0;
  for (const std::uint64_t seed : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1} << 32}) {
    for (const RandomStream stream : {RandomStream::initialisation, RandomStream::shuffle, RandomStream::augmentation,
                                      RandomStream::synthetic_data}) {
      for (const std::uint32_t a : {0U, 1U, 2U}) {
        for (const std::uint32_t b : {0U, 1U, 2U}) {
          Rng rng(seed, stream, a, b);
          starts.insert({rng.next(), rng.next()});
          ++made;
        }
      }
    }
  }
  EXPECT_EQ(starts.size(), static_cast<std::size_t>(made));
}

TEST(Rng, UniformStaysInItsRangeAndFillsIt) {
  Rng rng(1, RandomStream::shuffle);
  constexpr int kDraws = 100000;
  double sum = 0;
  float smallest = 1;
  float largest = 0;
  for (int i = 0; i < kDraws; ++i) {
    const float value = rng.uniform();
    ASSERT_GE(value, 0.0F);
    ASSERT_LT(value, 1.0F);
    sum += double{value};
    smallest = std::min(smallest, value);
    largest = std::max(largest, value);
  }
  EXPECT_NEAR(sum / kDraws, 0.5, 5 * std::sqrt(1.0 / 12 / kDraws));  // five standard deviations
  EXPECT_LT(smallest, 1e-3F);
  EXPECT_GT(largest, 1 - 1e-3F);
}

TEST(Rng, UniformNeverReachesItsUpperEndByRounding) {
  Rng rng(1, RandomStream::shuffle);
  const float high = std::nextafter(100.0F, 101.0F);  // a range of one rounding step: half of the draws round up
  for (int i = 0; i < 1000; ++i) {
    const float value = rng.uniform(100.0F, high);
    ASSERT_GE(value, 100.0F);
    ASSERT_LT(value, high);
  }
  for (int i = 0; i < 1000; ++i) {
    const float value = rng.uniform(-3.0F, 2.0F);
    ASSERT_GE(value, -3.0F);
    ASSERT_LT(value, 2.0F);
  }
}

TEST(Rng, BelowGivesEveryValueEquallyOften) {
  Rng rng(1, RandomStream::shuffle);
  constexpr int kDraws = 60000;
  std::array<int, 6> counts{};
  for (int i = 0; i < kDraws; ++i) ++counts.at(rng.below(6));
  const double deviation = std::sqrt(kDraws * (1.0 / 6) * (5.0 / 6));
  for (const int count : counts) EXPECT_NEAR(count, kDraws / 6, 5 * deviation);
}

TEST(Rng, BelowIsUnbiasedForBoundsNearTheWholeRange) {
  // 2^32 values on 3 * 2^30 without rejection: every third result would come twice as often, half of the draws.
  Rng rng(1, RandomStream::shuffle);
  constexpr int kDraws = 30000;
  std::array<int, 3> counts{};
  for (int i = 0; i < kDraws; ++i) ++counts.at(rng.below(3U << 30) % 3);
  const double deviation = std::sqrt(kDraws * (1.0 / 3) * (2.0 / 3));
  for (const int count : counts) EXPECT_NEAR(count, kDraws / 3, 5 * deviation);
}

TEST(Rng, BelowOneIsZero) {
  Rng rng(1, RandomStream::shuffle);
  for (int i = 0; i < 100; ++i) ASSERT_EQ(rng.below(1), 0U);
}

TEST(Rng, BelowZeroIsZeroToo) {
  Rng rng(1, RandomStream::shuffle);
  for (int i = 0; i < 100; ++i) ASSERT_EQ(rng.below(0), 0U);
}

TEST(Rng, NormalHasTheMomentsOfTheStandardNormal) {
  Rng rng(1, RandomStream::initialisation);
  constexpr int kDraws = 100000;
  double sum = 0;
  double squares = 0;
  double fourths = 0;
  int beyond_two = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double value = double{rng.normal()};
    ASSERT_TRUE(std::isfinite(value));
    sum += value;
    squares += value * value;
    fourths += value * value * value * value;
    beyond_two += std::abs(value) > 2 ? 1 : 0;
  }
  // Variances of x, x^2 and x^4 are 1, 2 and 96; five standard deviations each.
  EXPECT_NEAR(sum / kDraws, 0, 5 / std::sqrt(kDraws));
  EXPECT_NEAR(squares / kDraws, 1, 5 * std::sqrt(2.0 / kDraws));
  EXPECT_NEAR(fourths / kDraws, 3, 5 * std::sqrt(96.0 / kDraws));
  EXPECT_NEAR(beyond_two / double{kDraws}, 0.0455, 5 * std::sqrt(0.0455 / kDraws));
}

}  // namespace
}  // namespace convmixer
