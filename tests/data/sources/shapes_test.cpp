#include "convmixer/data/sources/shapes.hpp"

#include "convmixer/core/rng.hpp"
#include "convmixer/data/dataset_names.hpp"
#include "data/augment/normaliser.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <set>

namespace convmixer {
namespace {

/// FNV-1a, 64 bits, of every label and pixel.
std::uint64_t hash_of(const Dataset& dataset) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  const auto add = [&hash](std::uint8_t byte) { hash = (hash ^ byte) * 0x100000001b3U; };
  for (std::int64_t i = 0; i < dataset.size(); ++i) {
    add(static_cast<std::uint8_t>(dataset.label(i)));
    for (const std::uint8_t pixel : dataset.image(i)) add(pixel);
  }
  return hash;
}

/// Softmax regression on normalised pixels by plain stochastic gradient descent; weights as (classes, pixels).
class SoftmaxRegression {
 public:
  explicit SoftmaxRegression(const Normalisation& normalisation) : normaliser_(normalisation) {}

  void train(const Dataset& dataset, int epochs) {
    constexpr float kLearningRate = 1e-4F;
    for (int epoch = 0; epoch < epochs; ++epoch) {
      for (std::int64_t i = 0; i < dataset.size(); ++i) {
        std::array<float, kClasses> gradient = probabilities(dataset.image(i));
        gradient[static_cast<std::size_t>(dataset.label(i))] -= 1.0F;
        for (std::size_t c = 0; c < kClasses; ++c) {
          const float step = kLearningRate * gradient[c];
          for (std::size_t j = 0; j < kPixels; ++j) weights_[c][j] -= step * pixels_[j];
          bias_[c] -= step;
        }
      }
    }
  }

  double accuracy(const Dataset& dataset) {
    int correct = 0;
    for (std::int64_t i = 0; i < dataset.size(); ++i) {
      const std::array<float, kClasses> p = probabilities(dataset.image(i));
      correct += std::ranges::max_element(p) - p.begin() == dataset.label(i) ? 1 : 0;
    }
    return static_cast<double>(correct) / static_cast<double>(dataset.size());
  }

 private:
  static constexpr std::size_t kClasses = 10;
  static constexpr std::size_t kPixels = 3 * 32 * 32;

  std::array<float, kClasses> probabilities(std::span<const std::uint8_t> image) {
    normalise_pixels(image, normaliser_, pixels_);
    std::array<float, kClasses> p = bias_;
    for (std::size_t c = 0; c < kClasses; ++c) {
      std::array<float, 16> sums{};  // independent chains, for the compiler's vectors
      for (std::size_t j = 0; j < kPixels; ++j) sums[j % 16] += weights_[c][j] * pixels_[j];
      for (const float sum : sums) p[c] += sum;
    }
    const float largest = *std::ranges::max_element(p);
    float total = 0.0F;
    for (float& value : p) total += value = std::exp(value - largest);
    for (float& value : p) value /= total;
    return p;
  }

  Normaliser normaliser_;
  std::vector<float> pixels_ = std::vector<float>(kPixels);
  std::array<std::array<float, kPixels>, kClasses> weights_{};
  std::array<float, kClasses> bias_{};
};

TEST(Shapes, AreTenClassesOfColourImages) {
  const auto dataset = make_shapes(Split::test, 1);
  EXPECT_EQ(dataset->classes(), 10);
  EXPECT_EQ(dataset->channels(), 3);
  EXPECT_EQ(dataset->image_size(), 32);
  EXPECT_EQ(dataset->image(0).size(), 3072U);
}

TEST(Shapes, AreTheSameToTheLastPixelOnEveryMachine) {
  const auto train = make_shapes(Split::train);
  EXPECT_EQ(train->size(), 10'000);
  EXPECT_EQ(hash_of(*train), 0xfc71cb0100ab9e91U);
  const auto test = make_shapes(Split::test);
  EXPECT_EQ(test->size(), 2'000);
  EXPECT_EQ(hash_of(*test), 0x77ce2816fe82da9aU);
}

TEST(Shapes, EveryTenImagesHoldEachClassOnceInMixedOrder) {
  for (const Split split : {Split::train, Split::test}) {
    const auto dataset = make_shapes(split, 500);
    std::set<std::vector<std::int32_t>> orders;
    for (std::int64_t first = 0; first < dataset->size(); first += 10) {
      std::vector<std::int32_t> order;
      for (std::int64_t i = first; i < first + 10; ++i) order.push_back(dataset->label(i));
      EXPECT_EQ(std::set<std::int32_t>(order.begin(), order.end()).size(), 10U) << "from image " << first;
      orders.insert(order);
    }
    EXPECT_GT(orders.size(), 45U);
  }
}

TEST(Shapes, ALimitDrawsTheSameFirstImages) {
  const auto few = make_shapes(Split::test, 13);
  const auto more = make_shapes(Split::test, 20);
  ASSERT_EQ(few->size(), 13);
  for (std::int64_t i = 0; i < few->size(); ++i) {
    EXPECT_EQ(few->label(i), more->label(i));
    EXPECT_TRUE(std::ranges::equal(few->image(i), more->image(i))) << i;
  }
  EXPECT_EQ(make_shapes(Split::test, 3'000)->size(), 2'000);
}

TEST(Shapes, TestImagesAreNotTrainingImages) {
  const auto train = make_shapes(Split::train, 200);
  const auto test = make_shapes(Split::test, 200);
  std::set<std::vector<std::uint8_t>> seen;
  for (const Dataset* dataset : {train.get(), test.get()})
    for (std::int64_t i = 0; i < dataset->size(); ++i) seen.emplace(dataset->image(i).begin(), dataset->image(i).end());
  EXPECT_EQ(seen.size(), 400U);
}

// PyTorch's softmax regression, trained on all images to convergence, gets 40% on them and 21% on the test split.
TEST(Shapes, ALinearClassifierStaysFarBelowSixtyPercentAndAboveChance) {
  SoftmaxRegression regression(default_normalisation("shapes"));
  regression.train(*make_shapes(Split::train, 5'000), 4);
  const double accuracy = regression.accuracy(*make_shapes(Split::test));
  EXPECT_LT(accuracy, 0.60);
  EXPECT_GT(accuracy, 0.13);  // chance is 0.10, its standard deviation over 2,000 images 0.0067
}

}  // namespace
}  // namespace convmixer
