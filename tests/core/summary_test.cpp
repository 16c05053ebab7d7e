#include "core/summary.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace convmixer {
namespace {

using testing::ElementsAre;

TEST(Summary, OfAnOddNumberOfSamplesHasTheMiddleOne) {
  const Summary summary = summarise({5.0, 1.0, 100.0, 2.0, 3.0});
  EXPECT_EQ(summary.median, 3.0);
  EXPECT_EQ(summary.mad, 2.0);  // distances 0 1 2 2 97
}

TEST(Summary, OfAnEvenNumberOfSamplesIsBetweenTheMiddleTwo) {
  const Summary summary = summarise({4.0, 1.0, 2.0, 8.0});
  EXPECT_EQ(summary.median, 3.0);
  EXPECT_EQ(summary.mad, 1.5);  // distances 1 1 2 5
}

TEST(Summary, OfOneSampleIsThatSample) {
  const Summary summary = summarise({7.0});
  EXPECT_EQ(summary.median, 7.0);
  EXPECT_EQ(summary.mad, 0.0);
}

TEST(MiddleHalf, LeavesOutTheSamplesFarFromTheMedian) {
  EXPECT_THAT(middle_half({10.0, 90.0, 11.0, 12.0, 1.0}), ElementsAre(0, 2, 3));
  EXPECT_THAT(middle_half({3.0, 1.0, 2.0, 100.0}), ElementsAre(2, 0));
  EXPECT_THAT(middle_half({7.0}), ElementsAre(0));
}

}  // namespace
}  // namespace convmixer
