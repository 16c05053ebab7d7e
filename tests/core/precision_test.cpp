#include "convmixer/core/precision.hpp"

#include "convmixer/core/rng.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace convmixer {
namespace {

TEST(Bf16, EveryPatternSurvivesTheWayToFloatAndBack) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto pattern = static_cast<std::uint16_t>(bits);
    const float value = from_bf16(pattern);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(from_bf16(to_bf16(value)))) << bits;
      EXPECT_EQ(std::signbit(from_bf16(to_bf16(value))), std::signbit(value)) << bits;
    } else {
      ASSERT_EQ(to_bf16(value), pattern) << bits;
    }
  }
}

TEST(Bf16, RoundsTiesToTheEvenPattern) {
  EXPECT_EQ(from_bf16(to_bf16(1.0F + 0x1p-8F)), 1.0F);
  EXPECT_EQ(from_bf16(to_bf16(1.0F + 0x3p-8F)), 1.0F + 0x1p-6F);
  EXPECT_EQ(from_bf16(to_bf16(-1.0F - 0x1p-8F)), -1.0F);
  EXPECT_EQ(from_bf16(to_bf16(-1.0F - 0x3p-8F)), -1.0F - 0x1p-6F);
}

TEST(Bf16, RoundsUpJustAboveATie) { EXPECT_EQ(from_bf16(to_bf16(1.0F + 0x1p-8F + 0x1p-23F)), 1.0F + 0x1p-7F); }

TEST(Bf16, IsTheNearestOfAllPatterns) {
  Rng rng(1, RandomStream::initialisation);
  for (int i = 0; i < 100000; ++i) {
    const auto value = std::bit_cast<float>(rng.next());
    const std::uint16_t rounded = to_bf16(value);
    const double error = std::abs(double{from_bf16(rounded)} - double{value});
    if (!std::isfinite(error)) continue;  // NaN, or beyond the largest bf16
    for (const int neighbour : {rounded - 1, rounded + 1}) {
      const double other = from_bf16(static_cast<std::uint16_t>(neighbour));
      if (std::isfinite(other)) {
        ASSERT_LE(error, std::abs(other - double{value})) << value;
      }
    }
  }
}

TEST(Bf16, OverflowsToInfinityAndKeepsZerosAndDenormals) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(from_bf16(to_bf16(std::numeric_limits<float>::max())), kInfinity);
  EXPECT_EQ(from_bf16(to_bf16(std::numeric_limits<float>::lowest())), -kInfinity);
  EXPECT_EQ(to_bf16(kInfinity), 0x7f80);
  EXPECT_EQ(to_bf16(-0.0F), 0x8000);
  EXPECT_EQ(to_bf16(0x1p-133F), 0x0001);
}

TEST(Bf16, KeepsANanWhoseBitsAreAllBelowTheCut) {
  EXPECT_TRUE(std::isnan(from_bf16(to_bf16(std::bit_cast<float>(0x7f800001U)))));
  EXPECT_TRUE(std::isnan(from_bf16(to_bf16(std::bit_cast<float>(0xffffffffU)))));
}

}  // namespace
}  // namespace convmixer
