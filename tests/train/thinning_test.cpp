#include "convmixer/train/thinning.hpp"

#include "convmixer/core/error.hpp"
#include "support/error_of.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

namespace convmixer {
namespace {

using testing::ElementsAre;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

std::vector<double> wave(std::size_t points) {
  std::vector<double> values(points);
  for (std::size_t i = 0; i < points; ++i) values[i] = std::sin(0.001 * static_cast<double>(i));
  return values;
}

bool has(const std::vector<std::size_t>& kept, std::size_t point) { return std::ranges::binary_search(kept, point); }

TEST(Thinning, KeepsEverythingWhereThatIsLittle) {
  EXPECT_THAT(thinned(std::vector<double>{3.0, 1.0, 2.0}, 8), ElementsAre(0, 1, 2));
  EXPECT_TRUE(thinned({}, 8).empty());
}

TEST(Thinning, RefusesFewerPointsThanStretchesNeed) {
  for (const std::size_t most : {0U, 1U, 2U, 7U}) {
    const Error error = testing_support::error_of([&] { (void)thinned(wave(100), most); });
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_EQ(std::string(error.what()),
              fmt::format("a curve thinned to {} point{}: expected at least 8", most, most == 1 ? "" : "s"));
  }
}

TEST(Thinning, KeepsEveryPeakOfAHundredThousandRecords) {
  std::vector<double> values = wave(100'000);
  const std::vector<std::size_t> peaks{1, 777, 50'000, 50'333, 99'998};
  for (const std::size_t peak : peaks) values[peak] = 9.0;
  const std::vector<std::size_t> valleys{2, 40'001, 99'997};
  for (const std::size_t valley : valleys) values[valley] = -9.0;
  const std::vector<std::size_t> kept = thinned(values, 1000);
  EXPECT_LE(kept.size(), 1000U);
  EXPECT_GE(kept.size(), 500U);
  EXPECT_TRUE(std::ranges::is_sorted(kept));
  EXPECT_EQ(std::ranges::adjacent_find(kept), kept.end());
  EXPECT_EQ(kept.front(), 0U);
  EXPECT_EQ(kept.back(), values.size() - 1);
  for (const std::size_t peak : peaks) EXPECT_TRUE(has(kept, peak)) << peak;
  for (const std::size_t valley : valleys) EXPECT_TRUE(has(kept, valley)) << valley;
}

TEST(Thinning, KeepsAGapOfEachStretch) {
  std::vector<double> values = wave(10'000);
  values[5'000] = kNan;
  for (std::size_t i = 8'000; i < 10'000; ++i) values[i] = std::numeric_limits<double>::infinity();
  const std::vector<std::size_t> kept = thinned(values, 100);
  EXPECT_LE(kept.size(), 100U);
  EXPECT_TRUE(has(kept, 5'000));
  EXPECT_TRUE(std::ranges::any_of(kept, [](std::size_t point) { return point > 8'500 && point < 9'500; }));
}

TEST(Thinning, GivesTheMeansOfWhatWasLeftOut) {
  const std::vector<double> values{1.0, 2.0, kNan, 6.0, 10.0, kNan};
  EXPECT_THAT(means_between(values, std::vector<std::size_t>{0, 3, 4}), ElementsAre(1.0, 4.0, 10.0));
  EXPECT_TRUE(std::isnan(means_between(values, std::vector<std::size_t>{4, 5}).back()));
}

TEST(Thinning, KeepsTheMeanOfAllRecordsInItsMeans) {
  std::vector<double> values = wave(20'000);
  values[12'345] = 1e4;  // what is kept has it; their mean isn't the curve's
  const std::vector<std::size_t> kept = thinned(values, 500);
  const std::vector<double> means = means_between(values, kept);
  double sum = 0.0;
  std::size_t before = 0;
  for (std::size_t i = 0; i < kept.size(); ++i) {
    sum += means[i] * static_cast<double>(kept[i] + 1 - before);
    before = kept[i] + 1;
  }
  EXPECT_NEAR(sum, std::accumulate(values.begin(), values.end(), 0.0), 1e-6);
}

}  // namespace
}  // namespace convmixer
