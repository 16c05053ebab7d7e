#include "io/half_precision.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

namespace convmixer {
namespace {

constexpr std::uint16_t kSign = 0x8000;
constexpr std::uint16_t kInfinity = 0x7c00;

TEST(HalfPrecision, EveryNumberComesBackAsItWas) {
  for (std::uint32_t bits = 0; bits <= 0xffffU; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const float value = from_f16(half);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(from_f16(to_f16(value)))) << bits;
    } else {
      EXPECT_EQ(to_f16(value), half);
    }
  }
}

TEST(HalfPrecision, RoundsToTheNearestAndTiesToEven) {
  for (std::uint16_t below = 0; below + 1 < kInfinity; ++below) {
    const auto above = static_cast<std::uint16_t>(below + 1);
    const float middle = (from_f16(below) + from_f16(above)) / 2;
    const std::uint16_t even = below % 2 == 0 ? below : above;
    const float infinity = std::numeric_limits<float>::infinity();
    ASSERT_EQ(to_f16(middle), even) << below;
    ASSERT_EQ(to_f16(std::nextafter(middle, 0.0F)), below);
    ASSERT_EQ(to_f16(std::nextafter(middle, infinity)), above);
    ASSERT_EQ(to_f16(-middle), even | kSign);
  }
}

TEST(HalfPrecision, IsInfinityFromHalfwayPastTheLargestNumber) {
  EXPECT_EQ(from_f16(to_f16(std::nextafter(65520.0F, 0.0F))), 65504.0F);
  EXPECT_EQ(to_f16(65520.0F), kInfinity);
  EXPECT_EQ(to_f16(-3e38F), kInfinity | kSign);
}

TEST(HalfPrecision, KeepsTheSignOfZero) {
  EXPECT_EQ(to_f16(-0.0F), kSign);
  EXPECT_EQ(to_f16(-1e-30F), kSign);
}

}  // namespace
}  // namespace convmixer
