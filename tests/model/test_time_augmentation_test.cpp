#include "convmixer/model/test_time_augmentation.hpp"

#include "convmixer/core/rng.hpp"
#include "convmixer/model/convmixer.hpp"
#include "convmixer/model/prediction.hpp"
#include "support/error_of.hpp"
#include "support/test_engine.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace convmixer {
namespace {

using testing::ElementsAre;
using testing_support::error_of;
using testing_support::test_engine;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Logits of two classes, the first one's probability being p.
std::vector<float> two_classes(float p) { return {std::log(p), std::log(1.0F - p)}; }

std::vector<float> mean_of(const std::vector<float>& one, const std::vector<float>& other, std::int64_t classes) {
  std::vector<float> mean(one.size());
  mean_of_probabilities(one, other, classes, mean);
  return mean;
}

TEST(Mirror, ExchangesLeftAndRightInEveryRow) {
  const std::vector<float> images{1, 2, 3, 4, 5, 6};
  std::vector<float> mirrored(6);
  mirror(images, 3, mirrored);
  EXPECT_THAT(mirrored, ElementsAre(3, 2, 1, 6, 5, 4));
  EXPECT_STREQ(error_of([&] { mirror(images, 4, mirrored); }).what(),
               "images: 6 numbers given, expected whole rows of 4");
}

std::vector<float> shifted(const std::vector<float>& images, std::int64_t height, std::int64_t width, Shift direction) {
  std::vector<float> moved(images.size());
  shift(images, height, width, direction, moved);
  return moved;
}

TEST(Shift, MovesDiagonallyAndReflectsWhatComesIn) {
  const std::vector<float> image{1, 2, 3, 4, 5, 6, 7, 8, 9};
  EXPECT_THAT(shifted(image, 3, 3, Shift::up_left), ElementsAre(5, 6, 5, 8, 9, 8, 5, 6, 5));
  EXPECT_THAT(shifted(image, 3, 3, Shift::down_right), ElementsAre(5, 4, 5, 2, 1, 2, 5, 4, 5));
  EXPECT_THAT(shifted({1, 2, 3, 4, 5, 6, 7, 8}, 2, 2, Shift::up_left), ElementsAre(4, 3, 2, 1, 8, 7, 6, 5));
  EXPECT_EQ(error_of([&] { shifted(image, 1, 9, Shift::up_left); }).kind(), ErrorKind::usage);
  EXPECT_EQ(error_of([&] { shifted(image, 2, 3, Shift::up_left); }).kind(), ErrorKind::usage);
}

TEST(MeanOfProbabilities, IsThatOfSoftmaxNotOfLogits) {
  const std::vector<float> mean = mean_of(two_classes(0.9F), two_classes(0.5F), 2);
  EXPECT_NEAR(std::exp(mean[0]), 0.7, 1e-6);
  EXPECT_NEAR(predict(mean).probability, 0.7, 1e-6);
  EXPECT_NEAR(std::exp(mean[1]), 0.3, 1e-6);
}

TEST(MeanOfProbabilities, KeepsWhatIsHardlyProbableAndWhatIsCertain) {
  const std::vector<float> mean = mean_of({0.0F, -500.0F}, {0.0F, -500.0F}, 2);
  EXPECT_EQ(mean[0], 0.0F);
  EXPECT_EQ(mean[1], -500.0F);  // e^-500 is 0 in f32
  EXPECT_THAT(mean_of({0.0F, -kInfinity}, {0.0F, -kInfinity}, 2), ElementsAre(0.0F, -kInfinity));
}

TEST(MeanOfProbabilities, IsNoNumberForAnImageOfWhichAViewBroke) {
  const std::vector<float> mean = mean_of({1.0F, 2.0F, 1.0F, 2.0F}, {kNan, 2.0F, 1.0F, 2.0F}, 2);
  EXPECT_TRUE(std::isnan(mean[0]));
  EXPECT_TRUE(std::isnan(mean[1]));
  EXPECT_EQ(predict(std::span(mean).last(2)).label, 1);
  EXPECT_EQ(error_of([] { mean_of({1.0F, 2.0F}, {1.0F}, 2); }).kind(), ErrorKind::usage);
}

class AugmentedInferenceTest : public testing::Test {
 protected:
  AugmentedInferenceTest() {
    network_.parameters().initialise(3);
    Rng rng(1, RandomStream::synthetic_data);
    std::ranges::generate(images_, [&] { return rng.normal(); });
    mirror(images_, 8, mirrored_);
  }
  std::vector<float> inferred(TestTimeAugmentation augmentation, std::span<const float> images) {
    AugmentedInference inference(network_, augmentation);
    const std::span<const float> logits = inference.infer(images);
    return {logits.begin(), logits.end()};
  }

  Network network_{make_convmixer({.dim = 16, .depth = 1, .kernel_size = 3, .patch_size = 2, .image_size = 8}),
                   Precision::f32, test_engine()};
  std::vector<float> images_ = std::vector<float>(std::size_t{5} * 3 * 8 * 8);
  std::vector<float> mirrored_ = images_;
};

TEST_F(AugmentedInferenceTest, GivesTheNetworksOwnLogitsWithoutAugmentation) {
  const std::vector<float> plain = inferred(TestTimeAugmentation::none, images_);
  const std::span<const float> logits = network_.infer(images_);
  EXPECT_TRUE(std::ranges::equal(plain, logits));
}

TEST_F(AugmentedInferenceTest, GivesTheMeanOfTheImageAndItsMirrorImage) {
  const std::vector<float> one = inferred(TestTimeAugmentation::none, images_);
  const std::vector<float> other = inferred(TestTimeAugmentation::none, mirrored_);
  EXPECT_NE(one, other);
  EXPECT_EQ(inferred(TestTimeAugmentation::flip, images_), mean_of(one, other, 10));
}

TEST_F(AugmentedInferenceTest, GivesAnImageAndItsMirrorImageTheSamePrediction) {
  EXPECT_EQ(inferred(TestTimeAugmentation::flip, images_), inferred(TestTimeAugmentation::flip, mirrored_));
}

/// The plain twin: six views, each value fetched by its reflected place, probabilities added up with their weights.
std::vector<double> six_views(Network& network, const std::vector<float>& images, std::int64_t size) {
  const auto reflected = [size](std::int64_t at) { return at < 0 ? -at : at >= size ? 2 * size - 2 - at : at; };
  std::vector<double> sums;
  for (const std::int64_t by : {0, 1, -1}) {
    for (const bool mirrored : {false, true}) {
      std::vector<float> view(images.size());
      for (std::int64_t i = 0; i < std::ssize(view); ++i) {
        const std::int64_t x = mirrored ? size - 1 - i % size : i % size;
        const std::int64_t row = reflected(i / size % size + by);
        view[static_cast<std::size_t>(i)] =
            images[static_cast<std::size_t>((i / (size * size) * size + row) * size + reflected(x + by))];
      }
      const std::span<const float> logits = network.infer(view);
      sums.resize(logits.size());
      for (std::size_t i = 0; i < logits.size(); ++i) {
        const std::span<const float> own = logits.subspan(i - i % 10, 10);
        sums[i] += (by == 0 ? 0.25 : 0.125) * probability_of(own, i % 10);
      }
    }
  }
  return sums;
}

TEST_F(AugmentedInferenceTest, GivesTheWeightedMeanOfSixViewsWithShifts) {
  const std::vector<double> expected = six_views(network_, images_, 8);
  const std::vector<float> logits = inferred(TestTimeAugmentation::flip_shift, images_);
  ASSERT_EQ(logits.size(), expected.size());
  for (std::size_t i = 0; i < logits.size(); ++i)
    EXPECT_NEAR(static_cast<double>(logits[i]), std::log(expected[i]), 1e-6) << i;
}

TEST_F(AugmentedInferenceTest, DoesNotShiftImagesOfOnePixel) {
  Network network(make_convmixer({.dim = 16, .depth = 1, .kernel_size = 3, .patch_size = 1, .image_size = 1}),
                  Precision::f32, test_engine());
  EXPECT_THAT(error_of([&] { AugmentedInference(network, TestTimeAugmentation::flip_shift); }).what(),
              testing::HasSubstr("at least 2 x 2"));
}

}  // namespace
}  // namespace convmixer
