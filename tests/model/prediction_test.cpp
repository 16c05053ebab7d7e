#include "convmixer/model/prediction.hpp"

#include "support/error_of.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace convmixer {
namespace {

using testing_support::error_of;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(Predict, GivesTheMostProbableClassAndItsSoftmax) {
  const Prediction prediction = predict(std::vector<float>{0.0F, std::log(3.0F), 0.0F});
  EXPECT_EQ(prediction.label, 1);
  EXPECT_NEAR(prediction.probability, 0.6, 1e-7);
}

TEST(Predict, TakesTheLowestOfEqualClassesAndNoneBesideWhatIsNoNumber) {
  EXPECT_EQ(predict(std::vector<float>{1.0F, 2.0F, 2.0F}).label, 1);
  EXPECT_EQ(predict(std::vector<float>{5.0F, kNan}).label, -1);
  EXPECT_EQ(predict(std::vector<float>{kNan, kNan}).label, -1);
  EXPECT_EQ(predict(std::vector<float>{kNan, kNan}).probability, 0.0);
}

TEST(Predict, IsCertainOfAnInfiniteLogit) {
  EXPECT_EQ(predict(std::vector<float>{1.0F, kInfinity}).probability, 1.0);
  EXPECT_EQ(predict(std::vector<float>{kInfinity, kInfinity}).probability, 0.5);
  EXPECT_EQ(predict(std::vector<float>{-kInfinity, -kInfinity}).probability, 0.5);
}

TEST(PredictTop, GivesClassesByFallingProbabilityAndOfEqualOnesTheLowestFirst) {
  const std::vector<float> logits{0.0F, std::log(2.0F), std::log(5.0F), std::log(2.0F)};
  const std::vector<Prediction> top = predict_top(logits, 3);
  ASSERT_EQ(top.size(), 3U);
  EXPECT_EQ(top[0].label, 2);
  EXPECT_EQ(top[1].label, 1);
  EXPECT_EQ(top[2].label, 3);
  EXPECT_NEAR(top[0].probability, 0.5, 1e-7);
  EXPECT_NEAR(top[2].probability, 0.2, 1e-7);
  EXPECT_EQ(top[0].probability, predict(logits).probability);
}

TEST(PredictTop, GivesAllClassesIfThereAreFewerAndNoneBesideWhatIsNoNumber) {
  EXPECT_EQ(predict_top(std::vector<float>{1.0F, 2.0F}, 5).size(), 2U);
  EXPECT_TRUE(predict_top(std::vector<float>{1.0F, kNan}, 5).empty());
  EXPECT_EQ(predict_top(std::vector<float>{1.0F, kInfinity}, 2).at(1).probability, 0.0);
}

TEST(ProbabilityOf, IsThatOfOneClass) {
  EXPECT_NEAR(probability_of(std::vector<float>{0.0F, std::log(3.0F)}, 0), 0.25, 1e-7);
  EXPECT_EQ(probability_of(std::vector<float>{0.0F, kInfinity}, 0), 0.0);
  EXPECT_TRUE(std::isnan(probability_of(std::vector<float>{0.0F, kNan}, 0)));
}

TEST(ProbabilityOf, RefusesAClassThatThereIsNoLogitOf) {
  for (const auto& logits : {std::vector<float>{}, std::vector<float>{1.0F}, std::vector<float>{kNan, 1.0F}}) {
    const Error error = error_of([&] { (void)probability_of(logits, logits.size()); });
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_EQ(std::string(error.what()), fmt::format("probability of class {0}: {0} logit{1} given, expected the class "
                                                     "to be below that",
                                                     logits.size(), logits.size() == 1 ? "" : "s"));
  }
}

TEST(LogSoftmax, IsTheLogarithmOfProbabilitiesThatAddUpToOne) {
  std::vector<double> logs(3);
  log_softmax(std::vector<float>{1000.0F, 1000.0F + std::log(3.0F), -1000.0F}, logs);
  EXPECT_NEAR(logs[0], std::log(0.25), 1e-4);  // as exact as 1001.1 is in f32
  EXPECT_NEAR(logs[1], std::log(0.75), 1e-4);
  EXPECT_NEAR(logs[2], -2000.0 + logs[0], 1e-9);
}

TEST(LogSoftmax, IsNaNForAllClassesBesideWhatIsNoNumberAndSharedByEqualInfinities) {
  std::vector<double> logs(2);
  log_softmax(std::vector<float>{1.0F, kNan}, logs);
  EXPECT_TRUE(std::isnan(logs[0]));
  EXPECT_TRUE(std::isnan(logs[1]));
  log_softmax(std::vector<float>{kInfinity, kInfinity}, logs);
  EXPECT_DOUBLE_EQ(logs[0], std::log(0.5));
  EXPECT_EQ(error_of([&] { log_softmax(std::vector<float>{1.0F}, logs); }).kind(), ErrorKind::usage);
}

}  // namespace
}  // namespace convmixer
