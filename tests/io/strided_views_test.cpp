#include "io/strided_views.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace convmixer {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::int64_t kLargest = std::numeric_limits<std::int64_t>::max();

/// Bytes 0, 1, 2, ..., elements of one byte.
class StridedViewsTest : public testing::Test {
 protected:
  StridedViewsTest() {
    for (std::size_t i = 0; i < memory_.size(); ++i) memory_[i] = std::byte(i);
  }
  std::vector<int> elements(const StridedView& view) {
    const auto bytes = views_.row_major(view);
    EXPECT_TRUE(bytes);
    std::vector<int> values;
    for (const std::byte value : bytes.value_or(std::span<const std::byte>{}))
      values.push_back(std::to_integer<int>(value));
    return values;
  }

  std::vector<std::byte> memory_ = std::vector<std::byte>(12);
  StridedViews views_{memory_, 1};
};

TEST_F(StridedViewsTest, BorrowTheMemoryWhereTheyAreRowMajor) {
  for (const StridedView& view :
       {StridedView{4, {2, 3}, {3, 1}}, StridedView{4, {1, 2, 1, 3}, {kLargest, 3, 7, 1}}, StridedView{4, {6}, {1}}}) {
    const auto bytes = views_.row_major(view);
    ASSERT_TRUE(bytes);
    EXPECT_EQ(bytes->data(), memory_.data() + 4);
    EXPECT_EQ(bytes->size(), 6U);
  }
  EXPECT_TRUE(views_.is_borrowed());
}

TEST_F(StridedViewsTest, AreCopiesInOtherOrders) {
  EXPECT_THAT(elements({1, {3, 2}, {1, 3}}), ElementsAre(1, 4, 2, 5, 3, 6));
  EXPECT_THAT(elements({0, {3}, {4}}), ElementsAre(0, 4, 8));
  EXPECT_THAT(elements({0, {3, 1}, {4, kLargest}}), ElementsAre(0, 4, 8));
  EXPECT_THAT(elements({5, {3}, {0}}), ElementsAre(5, 5, 5));
  EXPECT_THAT(elements({5, {0, 3}, {kLargest, 2}}), IsEmpty());
  EXPECT_FALSE(views_.is_borrowed());
}

TEST_F(StridedViewsTest, HaveNoMoreCopiesThanFourMemories) {
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(views_.row_major({0, {3, 4}, {1, 3}}));  // one copy
  EXPECT_TRUE(views_.row_major({0, {4, 3}, {1, 4}}));
  EXPECT_TRUE(views_.row_major({0, {2, 6}, {1, 2}}));
  EXPECT_TRUE(views_.row_major({0, {6, 2}, {1, 6}}));
  EXPECT_FALSE(views_.row_major({0, {2}, {2}}));
  EXPECT_TRUE(views_.row_major({0, {3, 4}, {1, 3}}));
  EXPECT_TRUE(views_.row_major({0, {12}, {1}}));
}

TEST(ElementsWithin, CountsThoseOfAViewThatFits) {
  EXPECT_EQ(elements_within({0, {3, 4}, {4, 1}}, 12), 12);
  EXPECT_EQ(elements_within({0, {}, {}}, 1), 1);
  EXPECT_EQ(elements_within({0, {1, 12}, {kLargest, 1}}, 12), 12);
  EXPECT_EQ(elements_within({0, {0, 3}, {1, 1}}, 0), 0);
  EXPECT_EQ(elements_within({1, {3, 4}, {4, 1}}, 12), std::nullopt);
  EXPECT_EQ(elements_within({0, {2}, {kLargest}}, 12), std::nullopt);
  EXPECT_EQ(elements_within({kLargest, {2}, {1}}, 12), std::nullopt);
  EXPECT_EQ(elements_within({0, {kLargest, kLargest}, {1, 1}}, 12), std::nullopt);
  EXPECT_EQ(elements_within({0, {13}, {0}}, 12), std::nullopt);
}

}  // namespace
}  // namespace convmixer
