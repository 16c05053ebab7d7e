#include "convmixer/core/sample_statistics.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace convmixer {
namespace {

TEST(SampleStatistics, DivideByOneLessThanTheirNumber) {
  const SampleStatistics statistics = sample_statistics(std::vector<double>{2.0, 4.0, 4.0, 6.0});
  EXPECT_EQ(statistics.count, 4U);
  EXPECT_DOUBLE_EQ(statistics.mean, 4.0);
  EXPECT_DOUBLE_EQ(statistics.standard_deviation, std::sqrt(8.0 / 3.0));
  EXPECT_DOUBLE_EQ(statistics.standard_error, std::sqrt(8.0 / 3.0) / 2.0);
}

TEST(SampleStatistics, HaveNoSpreadOfOneValueAndNoMeanOfNone) {
  const SampleStatistics one = sample_statistics(std::vector<double>{3.0});
  EXPECT_DOUBLE_EQ(one.mean, 3.0);
  EXPECT_TRUE(std::isnan(one.standard_deviation));
  EXPECT_TRUE(std::isnan(one.standard_error));
  const SampleStatistics none = sample_statistics({});
  EXPECT_EQ(none.count, 0U);
  EXPECT_TRUE(std::isnan(none.mean));
}

}  // namespace
}  // namespace convmixer
