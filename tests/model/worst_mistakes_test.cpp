#include "convmixer/model/worst_mistakes.hpp"

#include "support/error_of.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace convmixer {
namespace {

using testing_support::error_of;

TEST(WorstMistakes, AreTheMostConfidentWrongPredictions) {
  WorstMistakes worst(2);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  // Two classes: the probability of the larger logit is 1 / (1 + exp(-difference)).
  worst.add(std::vector<float>{9, 0, /**/ 1, 0, /**/ 0, 3}, std::vector<std::int32_t>{0, 1, 0});
  worst.add(std::vector<float>{nan, 8, /**/ 2, 0, /**/ 0, 5}, std::vector<std::int32_t>{0, 1, 1});
  ASSERT_EQ(worst.mistakes().size(), 2U);  // image 1 is wrong as well, but less sure; 0 and 5 are right, 3 has none
  const Mistake& first = worst.mistakes()[0];
  EXPECT_EQ(first.index, 2);
  EXPECT_EQ(first.label, 0);
  EXPECT_EQ(first.predicted, 1);
  EXPECT_NEAR(first.probability, 1.0 / (1.0 + std::exp(-3.0)), 1e-12);
  EXPECT_NEAR(first.label_probability, 1.0 / (1.0 + std::exp(3.0)), 1e-12);
  EXPECT_EQ(worst.mistakes()[1].index, 4);
}

TEST(WorstMistakes, OfEqualOnesTheEarlierImageComesFirst) {
  WorstMistakes worst(3);
  for (int batch = 0; batch < 4; ++batch) worst.add(std::vector<float>{1, 0}, std::vector<std::int32_t>{1});
  ASSERT_EQ(worst.mistakes().size(), 3U);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(worst.mistakes()[static_cast<std::size_t>(i)].index, i);
}

TEST(WorstMistakes, RefusesWhatIsNoBatch) {
  WorstMistakes worst(3);
  worst.add({}, {});
  for (const std::int32_t label : {-1, 2})
    EXPECT_EQ(error_of([&] {
                worst.add(std::vector<float>{1, 0}, std::vector<std::int32_t>{label});
              }).kind(),
              ErrorKind::usage);
  EXPECT_EQ(error_of([&] {
              worst.add(std::vector<float>{1, 0, 2}, std::vector<std::int32_t>{0, 1});
            }).kind(),
            ErrorKind::usage);
  EXPECT_EQ(error_of([&] { worst.add(std::vector<float>{1}, {}); }).kind(), ErrorKind::usage);
  EXPECT_TRUE(worst.mistakes().empty());
}

}  // namespace
}  // namespace convmixer
