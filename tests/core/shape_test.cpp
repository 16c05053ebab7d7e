#include "convmixer/core/shape.hpp"

#include <gtest/gtest.h>

namespace convmixer {
namespace {

TEST(Shape, CountsElements) {
  EXPECT_EQ(Shape({64, 256, 16, 16}).count(), 64 * 256 * 16 * 16);
  EXPECT_EQ(Shape({3, 0, 5}).count(), 0);
  EXPECT_EQ(Shape().count(), 1);
  EXPECT_EQ(Shape({100000, 100000}).count(), 10000000000);
}

TEST(Shape, PrintsItsExtents) {
  EXPECT_EQ(Shape({64, 256, 16, 16}).to_string(), "(64, 256, 16, 16)");
  EXPECT_EQ(Shape({7}).to_string(), "(7)");
  EXPECT_EQ(Shape().to_string(), "()");
}

TEST(Shape, GrowsInwards) {
  Shape shape{2};
  shape.push_back(3);
  EXPECT_EQ(shape.rank(), 2);
  EXPECT_EQ(shape[0], 2);
  EXPECT_EQ(shape[1], 3);
  EXPECT_EQ(shape, Shape({2, 3}));
}

TEST(Shape, EqualsOnlyTheSameExtentsAndRank) {
  EXPECT_NE(Shape({2, 3}), Shape({3, 2}));
  EXPECT_NE(Shape({2, 3}), Shape({2, 3, 0}));
  EXPECT_NE(Shape({2, 3}), Shape({2}));
}

}  // namespace
}  // namespace convmixer
