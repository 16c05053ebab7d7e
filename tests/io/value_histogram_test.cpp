#include "io/value_histogram.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

namespace convmixer {
namespace {

TEST(ValueHistogram, HasSumsOfKnownValues) {
  const ValueHistogram histogram = histogram_of(std::vector{-2.0F, 0.5F, 0.5F, 3.0F});
  EXPECT_EQ(histogram.count, 4);
  EXPECT_EQ(histogram.minimum, -2.0);
  EXPECT_EQ(histogram.maximum, 3.0);
  EXPECT_EQ(histogram.sum, 2.0);
  EXPECT_EQ(histogram.sum_squares, 13.5);
}

TEST(ValueHistogram, HasAnEmptyBucketThenTheFullOnesWithOneBetweenThemForAllThatAreEmpty) {
  const ValueHistogram histogram = histogram_of(std::vector{-2.0F, 0.5F, 0.5F, 3.0F});
  EXPECT_EQ(histogram.counts, (std::vector<double>{0, 1, 0, 2, 0, 1}));
  ASSERT_EQ(histogram.limits.size(), 6U);
  // A bucket is a tenth of its values wide.
  const std::vector<double> around{-2.0, -2.0, 0.5, 0.5, 3.0, 3.0};
  for (std::size_t i = 0; i < 6; ++i) EXPECT_NEAR(histogram.limits[i], around[i], 0.1 * std::abs(around[i])) << i;
  for (const std::size_t full : {1U, 3U, 5U}) {
    EXPECT_LE(histogram.limits[full - 1], around[full]);
    EXPECT_GT(histogram.limits[full], around[full]);
  }
}

// TensorFlow's: 1e-12 * 1.1^k by repeated multiplication; a value that is a limit belongs to the bucket above it.
TEST(ValueHistogram, HasTensorFlowsLimits) {
  const ValueHistogram zeros = histogram_of(std::vector{0.0F, -0.0F});
  EXPECT_EQ(zeros.limits, (std::vector{0.0, 1e-12}));
  EXPECT_EQ(zeros.counts, (std::vector{0.0, 2.0}));
  const ValueHistogram small = histogram_of(std::vector{1.05e-12F});
  EXPECT_EQ(small.limits, (std::vector{1e-12, 1e-12 * 1.1}));
  const ValueHistogram negative = histogram_of(std::vector{-0.5e-12F});
  EXPECT_EQ(negative.limits, (std::vector{-1e-12, 0.0}));
  const ValueHistogram largest = histogram_of(std::vector{std::numeric_limits<float>::max()});
  EXPECT_EQ(largest.limits.back(), std::numeric_limits<double>::max());
  const ValueHistogram lowest = histogram_of(std::vector{std::numeric_limits<float>::lowest()});
  EXPECT_EQ(lowest.limits.front(), -std::numeric_limits<double>::max());
  EXPECT_EQ(lowest.counts, (std::vector{0.0, 1.0}));
}

TEST(ValueHistogram, CountsEveryValueOnce) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0.01F, 0.1F);
  std::vector<float> values(10000);
  for (float& value : values) value = normal(random);
  const ValueHistogram histogram = histogram_of(values);
  EXPECT_EQ(histogram.count, 10000);
  EXPECT_EQ(std::accumulate(histogram.counts.begin(), histogram.counts.end(), 0.0), 10000.0);
  double below = 0.0;
  for (std::size_t i = 0; i < histogram.limits.size(); ++i) {
    below += histogram.counts[i];
    EXPECT_EQ(below, std::ranges::count_if(
                         values, [&](float value) { return static_cast<double>(value) < histogram.limits[i]; }));
    if (i > 0) {
      EXPECT_GT(histogram.limits[i], histogram.limits[i - 1]);
    }
  }
}

TEST(ValueHistogram, LeavesOutWhatIsNotFinite) {
  const float infinity = std::numeric_limits<float>::infinity();
  const ValueHistogram histogram = histogram_of(std::vector{std::nanf(""), infinity, -infinity, 1.0F});
  EXPECT_EQ(histogram.count, 1);
  EXPECT_EQ(histogram.sum, 1.0);
  const ValueHistogram none = histogram_of(std::vector{infinity});
  EXPECT_EQ(none.count, 0);
  EXPECT_EQ(none.minimum, 0.0);
  EXPECT_TRUE(none.limits.empty());
}

}  // namespace
}  // namespace convmixer
