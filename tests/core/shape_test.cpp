#include "convmixer/core/shape.hpp"

#include "support/error_of.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

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

TEST(Shape, RefusesWhatNoTensorHas) {
  using testing_support::error_of;
  const auto message = [](const auto& body) { return std::string(error_of(body).what()); };
  EXPECT_EQ(message([] { Shape{2, -1}; }), "shape: an extent of -1, expected at least 0");
  EXPECT_EQ(message([] { Shape{1, 2, 3, 4, 5, 6}; }), "shape (1, 2, 3, 4, 5): expected at most 5 extents, found more");
  constexpr std::int64_t kHalf = std::int64_t{1} << 32;
  EXPECT_EQ(message([] {
              Shape{kHalf, kHalf};
            }),
            "shape (4294967296): with an extent of 4294967296 more it has too many elements");
  Shape shape{kHalf};
  EXPECT_THROW(shape.push_back(kHalf), Error);
  EXPECT_EQ(shape, Shape{kHalf});
}

TEST(Shape, RefusesAnAxisThatItHasNot) {
  using testing_support::error_of;
  const Shape shape{2, 3};
  for (const int axis : {-1, 2, 5}) {
    EXPECT_EQ(std::string(error_of([&] { (void)shape[axis]; }).what()),
              "shape (2, 3): no extent " + std::to_string(axis) + ", expected 0 to 1");
  }
}

}  // namespace
}  // namespace convmixer
