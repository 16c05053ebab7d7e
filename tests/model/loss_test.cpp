#include "convmixer/model/loss.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/rng.hpp"
#include "convmixer/model/batch_result.hpp"
#include "core/batch_chunks.hpp"
#include "model/share_loss.hpp"
#include "model/share_score.hpp"
#include "support/error_of.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

namespace convmixer {
namespace {

using testing_support::error_of;

using Labels = std::vector<std::int32_t>;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

double loss_of(const std::vector<float>& logits, std::int64_t classes, const Labels& labels, float smoothing = 0.0F) {
  return softmax_cross_entropy(logits, classes, {labels, {}, smoothing});
}

TEST(SoftmaxCrossEntropy, IsTheLogarithmOfTheClassesForEqualLogits) {
  EXPECT_NEAR(loss_of({0, 0, 0, 0}, 4, {2}), std::log(4.0), 1e-12);
  EXPECT_NEAR(loss_of({5, 5}, 2, {0}), std::log(2.0), 1e-12);
  EXPECT_NEAR(loss_of({-7}, 1, {0}), 0.0, 1e-12);
}

TEST(SoftmaxCrossEntropy, HasTheValuesWorkedOutByHand) {
  // softmax(0, ln 2, ln 5) = (1, 2, 5) / 8.
  const std::vector<float> logits = {0.0F, std::log(2.0F), std::log(5.0F)};
  EXPECT_NEAR(loss_of(logits, 3, {0}), std::log(8.0), 1e-7);
  EXPECT_NEAR(loss_of(logits, 3, {1}), std::log(4.0), 1e-7);
  EXPECT_NEAR(loss_of(logits, 3, {2}), std::log(1.6), 1e-7);
  // Smoothing 0.3: q = 0.7 + 0.1 for the label, 0.1 for the others.
  EXPECT_NEAR(loss_of(logits, 3, {2}, 0.3F), 0.8 * std::log(1.6) + 0.1 * std::log(8.0) + 0.1 * std::log(4.0), 1e-7);
  const std::vector<float> soft = {0.5F, 0.0F, 0.5F};
  EXPECT_NEAR(softmax_cross_entropy(logits, 3, {{}, soft, 0.0F}), 0.5 * std::log(8.0) + 0.5 * std::log(1.6), 1e-7);
}

TEST(SoftmaxCrossEntropy, HasTheGradientWorkedOutByHand) {
  const std::vector<float> logits = {0.0F, std::log(2.0F), std::log(5.0F)};
  std::vector<float> gradient(3, kNan);
  softmax_cross_entropy(logits, 3, {Labels{1}, {}, 0.0F}, gradient);
  EXPECT_NEAR(gradient[0], 0.125F, 1e-7F);
  EXPECT_NEAR(gradient[1], 0.25F - 1.0F, 1e-7F);
  EXPECT_NEAR(gradient[2], 0.625F, 1e-7F);
}

TEST(SoftmaxCrossEntropy, AveragesOverTheBatch) {
  const double one = loss_of({1, 2, 3}, 3, {0});
  const double other = loss_of({-1, 0, 4}, 3, {2});
  EXPECT_NEAR(loss_of({1, 2, 3, -1, 0, 4}, 3, {0, 2}), (one + other) / 2.0, 1e-12);

  std::vector<float> alone(3);
  std::vector<float> together(6);
  softmax_cross_entropy(std::vector<float>{-1, 0, 4}, 3, {Labels{2}, {}, 0.0F}, alone);
  softmax_cross_entropy(std::vector<float>{1, 2, 3, -1, 0, 4}, 3, {Labels{0, 2}, {}, 0.0F}, together);
  for (std::size_t k = 0; k < 3; ++k) EXPECT_NEAR(together[3 + k], alone[k] / 2.0F, 1e-8F) << k;
}

/// Random logits and targets of one of three kinds.
struct Problem {
  Problem(std::uint32_t seed, std::int64_t image_count, std::int64_t class_count, bool is_soft, float smoothing)
      : images(static_cast<std::size_t>(image_count)), classes(class_count), label_smoothing(smoothing) {
    Rng rng(seed, RandomStream::synthetic_data);
    const auto count = static_cast<std::size_t>(classes);
    logits.resize(images * count);
    std::ranges::generate(logits, [&] { return 3.0F * rng.normal(); });
    if (!is_soft) {
      for (std::size_t i = 0; i < images; ++i) {
        labels.push_back(static_cast<std::int32_t>(rng.below(static_cast<std::uint32_t>(classes))));
      }
      return;
    }
    soft.resize(logits.size());
    for (std::size_t i = 0; i < images; ++i) {
      const std::span<float> row = std::span(soft).subspan(i * count, count);
      std::ranges::generate(row, [&] { return rng.uniform(); });
      const float sum = std::accumulate(row.begin(), row.end(), 0.0F);
      for (float& probability : row) probability /= sum;
    }
  }

  [[nodiscard]] Targets targets() const { return {labels, soft, label_smoothing}; }

  /// The definition, in double precision.
  [[nodiscard]] double reference(const std::vector<double>& at) const {
    const auto count = static_cast<std::size_t>(classes);
    double sum = 0.0;
    for (std::size_t i = 0; i < images; ++i) {
      double exponentials = 0.0;
      for (std::size_t k = 0; k < count; ++k) exponentials += std::exp(at[i * count + k]);
      for (std::size_t k = 0; k < count; ++k) {
        const double target = soft.empty() ? (static_cast<std::size_t>(labels[i]) == k ? 1.0 : 0.0)
                                           : static_cast<double>(soft[i * count + k]);
        const double smoothed = (1.0 - static_cast<double>(label_smoothing)) * target +
                                static_cast<double>(label_smoothing) / static_cast<double>(classes);
        sum -= smoothed * std::log(std::exp(at[i * count + k]) / exponentials);
      }
    }
    return sum / static_cast<double>(images);
  }

  std::size_t images;
  std::int64_t classes;
  std::vector<float> logits;
  Labels labels;
  std::vector<float> soft;
  float label_smoothing;
};

std::vector<Problem> problems() {
  return {{1, 5, 10, false, 0.0F}, {2, 4, 7, false, 0.1F}, {3, 3, 100, false, 0.3F},
          {4, 6, 10, true, 0.0F},  {5, 3, 5, true, 0.1F},  {6, 1, 2, true, 1.0F}};
}

TEST(SoftmaxCrossEntropy, MatchesTheDefinitionWithSmoothingAndSoftTargets) {
  for (const Problem& problem : problems()) {
    const double expected = problem.reference({problem.logits.begin(), problem.logits.end()});
    std::vector<float> gradient(problem.logits.size());
    EXPECT_NEAR(softmax_cross_entropy(problem.logits, problem.classes, problem.targets()), expected, 2e-6 * expected);
    EXPECT_EQ(softmax_cross_entropy(problem.logits, problem.classes, problem.targets(), gradient),
              softmax_cross_entropy(problem.logits, problem.classes, problem.targets()))
        << "with and without the gradient";
  }
}

TEST(SoftmaxCrossEntropy, HasTheGradientOfItsFiniteDifferences) {
  for (const Problem& problem : problems()) {
    std::vector<float> gradient(problem.logits.size(), kNan);
    softmax_cross_entropy(problem.logits, problem.classes, problem.targets(), gradient);
    for (std::size_t i = 0; i < problem.logits.size(); ++i) {
      constexpr double kStep = 1e-5;
      std::vector<double> at(problem.logits.begin(), problem.logits.end());
      at[i] += kStep;
      const double above = problem.reference(at);
      at[i] -= 2.0 * kStep;
      EXPECT_NEAR(static_cast<double>(gradient[i]), (above - problem.reference(at)) / (2.0 * kStep), 2e-7) << i;
    }
  }
}

TEST(SoftmaxCrossEntropy, SurvivesHugeLogits) {
  EXPECT_NEAR(loss_of({1e4F, 0, -1e4F}, 3, {0}), 0.0, 1e-12);
  EXPECT_NEAR(loss_of({1e4F, 0, -1e4F}, 3, {2}), 2e4, 1e-8);
  constexpr float kLargest = std::numeric_limits<float>::max();
  EXPECT_NEAR(loss_of({kLargest, -kLargest}, 2, {1}), 2.0 * static_cast<double>(kLargest), 1e24);

  std::vector<float> gradient(3, kNan);
  softmax_cross_entropy(std::vector<float>{kLargest, 0, -kLargest}, 3, {Labels{2}, {}, 0.0F}, gradient);
  EXPECT_EQ(gradient, (std::vector<float>{1, 0, -1}));
}

TEST(SoftmaxCrossEntropy, IsNotFiniteForLogitsThatAreNot) {
  EXPECT_FALSE(std::isfinite(loss_of({0, kNan, 0}, 3, {0})));
  EXPECT_FALSE(std::isfinite(loss_of({0, kInfinity, 0}, 3, {0})));
}

TEST(CountInTop, CountsLabelsAmongTheLargestLogits) {
  const std::vector<float> logits = {0.1F, 0.4F, 0.3F, 0.2F,   // label 1 ranks first
                                     0.9F, 0.5F, 0.7F, 0.8F};  // label 2 ranks third
  EXPECT_EQ(count_in_top(logits, 4, Labels{1, 2}, 1), 1);
  EXPECT_EQ(count_in_top(logits, 4, Labels{1, 2}, 2), 1);
  EXPECT_EQ(count_in_top(logits, 4, Labels{1, 2}, 3), 2);
  EXPECT_EQ(count_in_top(logits, 4, Labels{0, 1}, 3), 0);
}

TEST(CountInTop, RanksTheLowerClassFirstAmongEqualLogits) {
  const std::vector<float> equal = {1, 1, 1, 0};
  EXPECT_EQ(count_in_top(equal, 4, Labels{0}, 1), 1);
  EXPECT_EQ(count_in_top(equal, 4, Labels{1}, 1), 0);
  EXPECT_EQ(count_in_top(equal, 4, Labels{1}, 2), 1);
  EXPECT_EQ(count_in_top(equal, 4, Labels{2}, 2), 0);
  EXPECT_EQ(count_in_top(equal, 4, Labels{2}, 3), 1);
}

TEST(CountInTop, NeverCountsWhatIsNotANumber) {
  EXPECT_EQ(count_in_top(std::vector<float>{kNan, 1, 2}, 3, Labels{0}, 3), 0) << "the label's own logit";
  EXPECT_EQ(count_in_top(std::vector<float>{kNan, kNan, kNan}, 3, Labels{1}, 1), 0);
  EXPECT_EQ(count_in_top(std::vector<float>{kNan, 1, 2}, 3, Labels{2}, 1), 0) << "another's";
  EXPECT_EQ(count_in_top(std::vector<float>{1, 2, kNan}, 3, Labels{1}, 1), 0) << "and after it as well";
  EXPECT_EQ(count_in_top(std::vector<float>{kNan, 1, 2}, 3, Labels{2}, 3), 0) << "among as many as there are";
  EXPECT_EQ(count_in_top(std::vector<float>{kNan, 1, 1, 2}, 2, Labels{1, 1}, 2), 1) << "in an image alone";
}

TEST(CountInTop, CountsAllWhenThereAreFewerClasses) {
  EXPECT_EQ(count_in_top(std::vector<float>{3, 2, 1, 1, 2, 3}, 3, Labels{2, 0}, 5), 2);
  EXPECT_EQ(count_in_top(std::vector<float>{kInfinity, -kInfinity}, 2, Labels{1}, 5), 1);
}

/// Targets for three images of four classes.
std::string refusal_of(const Targets& targets) {
  const std::vector<float> logits(12);
  const Error error = error_of([&] { softmax_cross_entropy(logits, 4, targets); });
  EXPECT_EQ(error.kind(), ErrorKind::usage);
  EXPECT_STREQ(error_of([&] { check_targets(targets, 3, 4); }).what(), error.what());
  return error.what();
}

TEST(Targets, NeedALabelForEachImage) {
  EXPECT_EQ(refusal_of({.labels = Labels{0, 1}}), "labels: 2 given for 3 images");
  EXPECT_EQ(refusal_of({.labels = Labels{0, 1, 2, 3}}), "labels: 4 given for 3 images");
}

TEST(Targets, NeedLabelsThatAreClasses) {
  EXPECT_EQ(refusal_of({.labels = Labels{0, 1, 4}}), "labels[2] = 4: expected a class from 0 to 3");
  EXPECT_EQ(refusal_of({.labels = Labels{0, -1, 4}}), "labels[1] = -1: expected a class from 0 to 3");
  EXPECT_EQ(refusal_of({.labels = Labels{2000000000, 0, 0}}), "labels[0] = 2000000000: expected a class from 0 to 3");
}

TEST(Targets, NeedSoftTargetsForEachImageAndClass) {
  const std::vector<float> soft(8, 0.25F);
  EXPECT_EQ(refusal_of({.soft = soft}), "soft targets: 8 numbers given, expected 3 x 4, images by classes");
}

TEST(Targets, NeedSoftTargetsThatAreFinite) {
  for (const float bad : {kNan, kInfinity, -kInfinity}) {
    std::vector<float> soft(12, 0.25F);
    soft[7] = bad;
    EXPECT_EQ(refusal_of({.soft = soft}),
              fmt::format("soft target of image 1, class 3 = {}: expected a finite number", bad));
  }
}

TEST(Targets, NeedOneOfTheTwo) {
  EXPECT_EQ(refusal_of({}), "targets: neither labels nor soft targets given, expected either or both for 3 images");
}

TEST(Targets, NeedBothToBeRightWhereBothAreGiven) {
  const std::vector<float> soft(12, 0.25F);
  EXPECT_EQ(refusal_of({.labels = Labels{0, 1, 4}, .soft = soft}), "labels[2] = 4: expected a class from 0 to 3");
  EXPECT_EQ(refusal_of({.labels = Labels{0, 1, 2}, .soft = std::span(soft).first(11)}),
            "soft targets: 11 numbers given, expected 3 x 4, images by classes");
}

TEST(Targets, NeedSmoothingFromZeroToOne) {
  EXPECT_EQ(refusal_of({.labels = Labels{0, 1, 2}, .label_smoothing = kNan}),
            "label smoothing = nan: expected a number from 0 to 1");
  EXPECT_EQ(refusal_of({.labels = Labels{0, 1, 2}, .label_smoothing = -0.1F}),
            "label smoothing = -0.1: expected a number from 0 to 1");
  EXPECT_EQ(refusal_of({.labels = Labels{0, 1, 2}, .label_smoothing = 1.1F}),
            "label smoothing = 1.1: expected a number from 0 to 1");
}

TEST(SoftmaxCrossEntropy, IsOfTheSoftTargetsWhereBothAreGiven) {
  const std::vector<float> logits = {1, 2, 3};
  const std::vector<float> soft = {0.5F, 0.25F, 0.25F};
  const Labels labels{2};
  EXPECT_EQ(softmax_cross_entropy(logits, 3, {.labels = labels, .soft = soft}),
            softmax_cross_entropy(logits, 3, {.soft = soft}));
}

TEST(SoftmaxCrossEntropy, RefusesLogitsAndGradientsOfOtherSizes) {
  const std::vector<float> logits(12);
  const Labels labels{0, 1, 2};
  std::vector<float> gradient(11);
  const auto message = [](const auto& body) { return std::string(error_of(body).what()); };
  EXPECT_EQ(message([&] { softmax_cross_entropy(logits, 5, {.labels = labels}); }),
            "logits: 12 numbers given, expected N x 5, images by classes, N at least 1");
  EXPECT_EQ(message([&] { softmax_cross_entropy({}, 4, {.labels = labels}); }),
            "logits: 0 numbers given, expected N x 4, images by classes, N at least 1");
  EXPECT_EQ(message([&] { softmax_cross_entropy(logits, 0, {.labels = labels}); }), "classes = 0: expected at least 1");
  EXPECT_EQ(message([&] { softmax_cross_entropy(logits, 4, {.labels = labels}, gradient); }),
            "gradient of the logits: 11 numbers given, expected 12 or none");
}

TEST(CrossEntropySum, RefusesAShareOfAnotherNumberOfImages) {
  const std::vector<float> logits(12);  // of three images
  const Labels labels{0, 1, 2};
  const Targets targets{.labels = labels};
  std::vector<float> gradient(12, kNan);
  const auto refusal = [&](const BatchChunks& share) {
    const Error error = error_of([&] { cross_entropy_sum(logits, 4, targets, share, gradient); });
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_STREQ(error_of([&] { (void)score_share(logits, 4, targets, share, gradient); }).what(), error.what());
    EXPECT_TRUE(std::ranges::all_of(gradient, [](float value) { return std::isnan(value); }));
    return std::string(error.what());
  };
  EXPECT_EQ(refusal(BatchChunks(2)), "logits: of 3 images, expected 2, the share's of a batch of 2");
  EXPECT_EQ(refusal(BatchChunks(16, 1, 2)), "logits: of 3 images, expected 8, the share's of a batch of 16");
}

TEST(CountInTop, RefusesLabelsThatArentClassesOrTooFew) {
  const std::vector<float> logits(12);
  const auto message = [&](const Labels& labels, std::int64_t classes = 4, int k = 1) {
    return std::string(error_of([&] { count_in_top(logits, classes, labels, k); }).what());
  };
  EXPECT_EQ(message({0, 1}), "labels: 2 given for 3 images");
  EXPECT_EQ(message({0, 1, 2, 3}), "labels: 4 given for 3 images");
  EXPECT_EQ(message({0, -1, 2}), "labels[1] = -1: expected a class from 0 to 3");
  EXPECT_EQ(message({0, 1, 4}), "labels[2] = 4: expected a class from 0 to 3");
  EXPECT_EQ(message({0, 1, 2000000000}), "labels[2] = 2000000000: expected a class from 0 to 3");
  EXPECT_EQ(message({0, 1}, 7), "logits: 12 numbers given, expected N x 7, images by classes, N at least 1");
  EXPECT_EQ(message({0, 1, 2}, 0), "classes = 0: expected at least 1");
  EXPECT_EQ(message({0, 1, 2}, 4, 0), "k = 0 of the largest logits: expected at least 1");
}

TEST(CountInTop, IsZeroWithoutLabels) { EXPECT_EQ(count_in_top(std::vector<float>{3, 2, 1}, 3, Labels{}, 5), 0); }

}  // namespace
}  // namespace convmixer
