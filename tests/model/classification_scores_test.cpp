#include "convmixer/model/classification_scores.hpp"

#include "support/error_of.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace convmixer {
namespace {

using testing_support::error_of;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// Logits that say class `predicted` of three with certainty.
std::vector<float> certain_of(const std::vector<int>& predicted) {
  std::vector<float> logits;
  for (const int label : predicted)
    for (int k = 0; k < 3; ++k) logits.push_back(k == label ? 100.0F : 0.0F);
  return logits;
}

/// Worked out by hand; sklearn.metrics.classification_report says the same.
TEST(ClassificationScores, CountWhatWasTakenForWhat) {
  ClassificationScores scores(3);
  scores.add(certain_of({0, 0, 1, 1}), std::vector<std::int32_t>{0, 0, 0, 1});
  scores.add(certain_of({1, 0}), std::vector<std::int32_t>{1, 2});
  EXPECT_EQ(scores.images(), 6);
  EXPECT_EQ(scores.confusion(0, 1), 1);
  EXPECT_EQ(scores.confusion(2, 0), 1);
  EXPECT_EQ(scores.confusion(1, 1), 2);
  EXPECT_EQ(scores.row(0), (std::vector<std::int64_t>{2, 1, 0}));
  EXPECT_EQ(scores.row(2), (std::vector<std::int64_t>{1, 0, 0}));
  const ClassScores first = scores.of_class(0);
  EXPECT_EQ(first.images, 3);
  EXPECT_EQ(first.predicted, 3);
  EXPECT_EQ(first.correct, 2);
  EXPECT_DOUBLE_EQ(first.precision(), 2.0 / 3.0);
  EXPECT_DOUBLE_EQ(first.recall(), 2.0 / 3.0);
  EXPECT_DOUBLE_EQ(scores.of_class(1).precision(), 2.0 / 3.0);
  EXPECT_DOUBLE_EQ(scores.of_class(1).recall(), 1.0);
  EXPECT_DOUBLE_EQ(scores.of_class(1).f1(), 0.8);
  EXPECT_DOUBLE_EQ(scores.of_class(2).precision(), 0.0);  // nothing was taken for it
  EXPECT_DOUBLE_EQ(scores.of_class(2).f1(), 0.0);
  const ClassificationScores::Means means = scores.means();
  EXPECT_NEAR(means.precision, 4.0 / 9.0, 1e-15);
  EXPECT_NEAR(means.recall, 5.0 / 9.0, 1e-15);
  EXPECT_NEAR(means.f1, (2.0 / 3.0 + 0.8) / 3.0, 1e-15);
}

TEST(ClassificationScores, ListWhatIsConfusedMostFirst) {
  ClassificationScores scores(3);
  scores.add(certain_of({2, 1, 2, 0, 1}), std::vector<std::int32_t>{1, 0, 1, 2, 1});
  const std::vector<Confusion> confusions = scores.confusions();
  ASSERT_EQ(confusions.size(), 3U);
  EXPECT_EQ(confusions[0].label, 1);
  EXPECT_EQ(confusions[0].predicted, 2);
  EXPECT_EQ(confusions[0].images, 2);
  EXPECT_EQ(confusions[1].label, 0);  // of equal ones the lower class
  EXPECT_EQ(confusions[2].label, 2);
  EXPECT_EQ(scores.correct(), 1);
}

/// As sklearn's macro average does, whose labels are those that are true or predicted of an image.
TEST(ClassificationScores, AverageOverTheClassesThatOccur) {
  ClassificationScores scores(3);
  scores.add(certain_of({1, 1}), std::vector<std::int32_t>{1, 1});
  EXPECT_EQ(scores.means().classes, 1);
  EXPECT_EQ(scores.means().f1, 1.0);
  scores.add(certain_of({0, 1}), std::vector<std::int32_t>{1, 1});
  EXPECT_EQ(scores.means().classes, 2) << "class 0 was predicted";
  EXPECT_DOUBLE_EQ(scores.means().precision, (0.0 + 1.0) / 2.0);
  EXPECT_DOUBLE_EQ(scores.means().recall, (0.0 + 0.75) / 2.0);
}

TEST(ClassificationScores, CountAnImageWithoutAPredictionAsOneOfItsClass) {
  ClassificationScores scores(2);
  scores.add(std::vector<float>{kNan, kNan, 0.0F, 1.0F}, std::vector<std::int32_t>{1, 1});
  EXPECT_EQ(scores.of_class(1).images, 2);
  EXPECT_EQ(scores.of_class(1).recall(), 0.5);
  EXPECT_EQ(scores.of_class(0).predicted, 0);
  EXPECT_EQ(scores.unpredicted(), 1);
  EXPECT_EQ(scores.confusion(1, -1), 1);
  EXPECT_TRUE(scores.confusions().empty());
  EXPECT_TRUE(std::isnan(scores.confidence())) << "a broken network must not look calibrated";
  EXPECT_TRUE(std::isnan(scores.calibration_error()));
}

/// Two images said with 0.6, one of them rightly (off by 0.1 in their bin), two with 0.9, both rightly (off by 0.1).
TEST(ClassificationScores, MeasureCalibrationInFifteenBins) {
  const float six = std::log(0.6F / 0.4F);
  const float nine = std::log(0.9F / 0.1F);
  ClassificationScores scores(2);
  scores.add(std::vector<float>{six, 0.0F, six, 0.0F, nine, 0.0F, nine, 0.0F}, std::vector<std::int32_t>{0, 1, 0, 0});
  EXPECT_NEAR(scores.confidence(), 0.75, 1e-6);
  EXPECT_NEAR(scores.calibration_error(), 0.1, 1e-6);
}

/// Guo et al.: the interval ((m - 1)/M, m/M]. A third is the upper end of bin 5 of 15.
TEST(ClassificationScores, SortAProbabilityOnABoundaryIntoTheLowerBin) {
  ClassificationScores scores(3);
  scores.add(std::vector<float>{0.0F, 0.0F, 0.0F}, std::vector<std::int32_t>{0});
  EXPECT_EQ(scores.bins()[4].images, 1);
  EXPECT_EQ(scores.bins()[4].accuracy(), 1.0);
  EXPECT_DOUBLE_EQ(scores.bins()[4].confidence(), 1.0 / 3.0);
  EXPECT_DOUBLE_EQ(scores.calibration_error(), 2.0 / 3.0);
  scores.add(certain_of({1}), std::vector<std::int32_t>{1});
  EXPECT_EQ(scores.bins()[14].images, 1) << "certainty is in the last";
}

TEST(ClassificationScores, AreZeroWithoutImages) {
  const ClassificationScores scores(2);
  EXPECT_EQ(scores.confidence(), 0.0);
  EXPECT_EQ(scores.calibration_error(), 0.0);
  EXPECT_EQ(scores.of_class(1).recall(), 0.0);
  EXPECT_EQ(scores.means().f1, 0.0);
}

TEST(ClassificationScores, RefuseWhatDoesntFit) {
  EXPECT_STREQ(error_of([] { ClassificationScores(0); }).what(), "scores of 0 classes: expected 1 or more");
  ClassificationScores scores(3);
  EXPECT_STREQ(error_of([&] {
                 scores.add(certain_of({0}), std::vector<std::int32_t>{0, 1});
               }).what(),
               "3 logits: expected 6 for 2 images of 3 classes");
  EXPECT_NE(std::string(error_of([&] { scores.add(certain_of({0}), std::vector<std::int32_t>{3}); }).what()), "");
  EXPECT_EQ(scores.images(), 0);
}

}  // namespace
}  // namespace convmixer
