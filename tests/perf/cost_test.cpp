#include "cost.hpp"

#include <gtest/gtest.h>

namespace convmixer::perf {
namespace {

constexpr Roofs kRoofs{.matrix = 100.0, .vector = 20.0, .memory = 10.0};

TEST(Cost, IsLimitedByTheLongerOfArithmeticAndTransfers) {
  const Cost product{.flops = 300.0, .bytes = 20.0, .unit = Unit::matrix};  // 3 s against 2
  EXPECT_DOUBLE_EQ(least_seconds(product, kRoofs), 3.0);
  EXPECT_STREQ(limit_name(product, kRoofs), "matrix product");
  const Cost sum{.flops = 20.0, .bytes = 60.0, .unit = Unit::vector};  // 1 s against 6
  EXPECT_DOUBLE_EQ(least_seconds(sum, kRoofs), 6.0);
  EXPECT_STREQ(limit_name(sum, kRoofs), "memory");
}

TEST(Cost, OfArithmeticDependsOnTheUnitThatCouldDoIt) {
  const Cost depthwise{.flops = 300.0, .bytes = 20.0, .unit = Unit::vector};
  EXPECT_DOUBLE_EQ(least_seconds(depthwise, kRoofs), 15.0);
  EXPECT_STREQ(limit_name(depthwise, kRoofs), "multiply-add");
}

}  // namespace
}  // namespace convmixer::perf
