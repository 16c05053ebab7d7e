// What augmentation draws at random: how often, how strong, where.
#include "data/augment/crop.hpp"
#include "data/augment/erasing.hpp"
#include "data/augment/jitter.hpp"
#include "data/augment/rand_augment.hpp"
#include "data/augment/timm_augment.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

namespace convmixer {
namespace {

constexpr ImageShape kShape{3, 32, 32};

Rng stream(std::uint32_t index) { return {7, RandomStream::augmentation, 0, index}; }

bool is_inside(const Rectangle& part, const ImageShape& shape) {
  return part.top >= 0 && part.left >= 0 && part.height >= 0 && part.width >= 0 &&
         part.top + part.height <= shape.height && part.left + part.width <= shape.width;
}

/// Five standard deviations of a count of `draws` with that probability.
double tolerance(int draws, double probability) { return 5.0 * std::sqrt(draws * probability * (1.0 - probability)); }

TEST(RandAugment, DrawsEveryOperationAndDirectionEquallyOften) {
  constexpr int kDraws = 14'000;
  const RandAugment policy(12, kShape);
  std::map<std::pair<OperationKind, bool>, int> counts;
  for (std::uint32_t i = 0; i < kDraws; ++i) {
    Rng rng = stream(i);
    const ImageOperation& operation = policy.draw(rng);
    ASSERT_EQ(operation.interpolation, Interpolation::nearest);
    const bool is_factor = operation.kind >= OperationKind::brightness && operation.kind <= OperationKind::sharpness;
    ++counts[{operation.kind, operation.value < (is_factor ? 1.0 : 0.0)}];
  }
  for (const auto& [what, count] : counts) {
    const bool is_signed = what.first >= OperationKind::shear_x && what.first <= OperationKind::sharpness;
    const double probability = is_signed ? 1.0 / 28 : 1.0 / 14;
    EXPECT_NEAR(count, kDraws * probability, tolerance(kDraws, probability)) << to_string(what.first) << what.second;
  }
  EXPECT_EQ(counts.size(), 9U * 2U + 5U);
}

TEST(RandAugment, HasTorchvisionsStrengths) {
  const auto value = [](int index, int magnitude, bool negative) {
    return RandAugment(magnitude, kShape).operation(index, negative).value;
  };
  EXPECT_NEAR(value(1, 12, false), 0.12, 1e-7);  // ShearX
  EXPECT_NEAR(value(2, 9, true), -0.09, 1e-7);   // ShearY
  EXPECT_EQ(value(3, 12, false), -5.0);          // TranslateX: the source lies to the left
  EXPECT_EQ(value(4, 14, true), 6.0);            // TranslateY
  EXPECT_NEAR(value(5, 12, true), -12.0, 1e-5);  // Rotate
  EXPECT_NEAR(value(6, 12, false), 1.36, 1e-6);  // Brightness
  EXPECT_NEAR(value(9, 30, true), 0.1, 1e-6);    // Sharpness
  EXPECT_EQ(value(10, 9, false), 7.0);           // Posterize
  EXPECT_EQ(value(10, 12, false), 6.0);
  EXPECT_EQ(value(10, 30, false), 4.0);
  EXPECT_EQ(value(11, 9, false), 178.5);  // Solarize
  EXPECT_EQ(value(11, 12, false), 153.0);
}

TEST(RandAugmentText, IsReadAndWritten) {
  EXPECT_EQ(parse_rand_augment("2,12"), (RandAugmentOptions{.operations = 2, .magnitude = 12}));
  EXPECT_EQ(parse_rand_augment("1, 0"), (RandAugmentOptions{.operations = 1, .magnitude = 0}));
  EXPECT_EQ(parse_rand_augment("off"), RandAugmentOptions{});
  EXPECT_EQ(to_string(RandAugmentOptions{.operations = 2, .magnitude = 12}), "2,12");
  EXPECT_EQ(to_string(RandAugmentOptions{}), "off");
  for (const char* text : {"", "2", "2,", ",9", "0,9", "17,9", "2,31", "2,-1", "2,9,1", "2;9", "a,b", "2,9 "})
    EXPECT_EQ(parse_rand_augment(text), std::nullopt) << text;
}

TEST(TimmAugment, DrawsEveryOperationEquallyOftenAndAppliesHalf) {
  constexpr int kDraws = 30'000;
  const TimmAugment policy(*parse_timm_augment("rand-m9-mstd0.5-inc1"), kShape);
  std::map<OperationKind, int> counts;
  std::map<OperationKind, int> negative;
  int cubic = 0;
  int moved = 0;
  for (std::uint32_t i = 0; i < kDraws; ++i) {
    Rng rng = stream(i);
    const ImageOperation operation = policy.draw(rng);
    ++counts[operation.kind];
    const bool is_factor = operation.kind >= OperationKind::brightness && operation.kind <= OperationKind::sharpness;
    negative[operation.kind] += operation.value < (is_factor ? 1.0 : 0.0) ? 1 : 0;
    if (operation.kind < OperationKind::shear_x || operation.kind > OperationKind::rotate) continue;
    ++moved;
    cubic += operation.interpolation == Interpolation::bicubic ? 1 : 0;
    ASSERT_NE(operation.interpolation, Interpolation::nearest);
  }
  EXPECT_NEAR(counts[OperationKind::identity], kDraws / 2, tolerance(kDraws, 0.5));
  EXPECT_EQ(counts.size(), 16U);
  for (const auto& [kind, count] : counts) {
    if (kind == OperationKind::identity) continue;
    EXPECT_NEAR(count, kDraws / 30, tolerance(kDraws, 1.0 / 30)) << to_string(kind);
    if (kind >= OperationKind::shear_x && kind <= OperationKind::sharpness) {
      EXPECT_NEAR(negative[kind], count / 2, tolerance(count, 0.5)) << to_string(kind);
    }
  }
  EXPECT_NEAR(cubic, moved / 2, tolerance(moved, 0.5));
}

TEST(TimmAugment, HasTimmsStrengths) {
  TimmAugmentOptions options = *parse_timm_augment("rand-m9-inc1");
  const auto value = [&](int index, double magnitude, bool negative) {
    return TimmAugment(options, kShape).operation(index, magnitude, negative, Interpolation::bilinear).value;
  };
  EXPECT_DOUBLE_EQ(value(3, 9, true), -27.0);  // Rotate
  EXPECT_EQ(value(4, 9, false), 1.0);          // PosterizeIncreasing
  EXPECT_EQ(value(4, 10, false), 0.0);
  EXPECT_EQ(value(5, 9, false), 26.0);  // SolarizeIncreasing
  EXPECT_EQ(value(5, 10, false), 0.0);
  EXPECT_EQ(value(6, 9, false), 99.0);           // SolarizeAdd
  EXPECT_DOUBLE_EQ(value(7, 9, false), 1.81);    // ColorIncreasing
  EXPECT_DOUBLE_EQ(value(10, 9, true), 0.19);    // SharpnessIncreasing
  EXPECT_DOUBLE_EQ(value(9, 10, true), 0.1);     // BrightnessIncreasing
  EXPECT_DOUBLE_EQ(value(11, 9, true), -0.27);   // ShearX
  EXPECT_DOUBLE_EQ(value(13, 9, false), 12.96);  // TranslateXRel
  options.increasing = false;
  EXPECT_EQ(value(4, 9, false), 3.0);
  EXPECT_EQ(value(5, 9, false), 230.0);
  EXPECT_DOUBLE_EQ(value(8, 9, false), 1.72);
}

TEST(TimmAugment, MagnitudesAreNormalAndCutOffAtTheHighest) {
  constexpr int kDraws = 60'000;
  const TimmAugment policy(*parse_timm_augment("rand-m9-mstd0.5-inc1-p1"), kShape);
  std::vector<double> magnitudes;
  for (std::uint32_t i = 0; i < kDraws; ++i) {
    Rng rng = stream(i);
    const ImageOperation operation = policy.draw(rng);
    if (operation.kind == OperationKind::rotate) magnitudes.push_back(std::abs(operation.value) / 3.0);
  }
  const auto share = [&](const auto& which) {
    return static_cast<double>(std::ranges::count_if(magnitudes, which)) / static_cast<double>(magnitudes.size());
  };
  EXPECT_NEAR(share([](double m) { return m < 9.0; }), 0.5, 0.04);
  EXPECT_NEAR(share([](double m) { return m < 8.5; }), 0.1587, 0.03);
  EXPECT_NEAR(share([](double m) { return m == 10.0; }), 0.0228, 0.012);
  EXPECT_LE(*std::ranges::max_element(magnitudes), 10.0);

  const TimmAugment uniform(*parse_timm_augment("rand-m8-mstd101-inc1-p1"), kShape);
  std::array<int, 8> counts{};
  for (std::uint32_t i = 0; i < kDraws; ++i) {
    Rng rng = stream(i);
    const ImageOperation operation = uniform.draw(rng);
    if (operation.kind == OperationKind::rotate) ++counts.at(static_cast<std::size_t>(std::abs(operation.value) / 3.0));
  }
  for (const int count : counts) EXPECT_NEAR(count, 500, 5 * std::sqrt(500.0));
}

TEST(TimmAugmentText, IsReadAndWritten) {
  const TimmAugmentOptions paper{
      .operations = 2, .magnitude = 9.0F, .deviation = 0.5F, .probability = 0.5F, .increasing = true};
  EXPECT_EQ(parse_timm_augment("rand-m9-mstd0.5-inc1"), paper);
  EXPECT_EQ(parse_timm_augment("off"), TimmAugmentOptions{});
  EXPECT_EQ(parse_timm_augment("rand")->magnitude, 10.0F);
  for (const char* text : {"off", "rand-m9-mstd0.5-inc1", "rand-m7-n3-p0.25", "rand-m10", "rand-m0.00001",
                           "rand-m9-mstd0.00001-p0.00000012", "rand-m9-mstd1000000"})
    EXPECT_EQ(to_string(*parse_timm_augment(text)), text);
  for (const char* text :
       {"", "random", "rand-", "rand-m", "rand-m11", "rand-m9-", "rand-x3", "rand-w0-m9", "rand-inc2", "rand-n0",
        "rand-p2", "rand-m-9", "rand-mstd-1", "original-m9", "rand-m9 ", "randm9"})
    EXPECT_EQ(parse_timm_augment(text), std::nullopt) << text;
}

TEST(Jitter, FactorsAreUniformAndEveryOrderEquallyLikely) {
  constexpr int kDraws = 12'000;
  std::map<std::array<OperationKind, 3>, int> orders;
  std::map<OperationKind, std::vector<double>> factors;
  for (std::uint32_t i = 0; i < kDraws; ++i) {
    Rng rng = stream(i);
    const auto operations = draw_jitter({.brightness = 0.2F, .contrast = 0.5F, .saturation = 1.5F}, rng);
    ++orders[{operations[0].kind, operations[1].kind, operations[2].kind}];
    for (const ImageOperation& operation : operations) factors[operation.kind].push_back(operation.value);
  }
  EXPECT_EQ(orders.size(), 6U);
  for (const auto& [order, count] : orders) EXPECT_NEAR(count, kDraws / 6, tolerance(kDraws, 1.0 / 6));
  const auto expect_uniform = [&](OperationKind kind, double low, double high) {
    const std::vector<double>& values = factors[kind];
    const auto [lowest, highest] = std::ranges::minmax(values);
    EXPECT_GE(lowest, low - 1e-6);
    EXPECT_LE(highest, high + 1e-6);
    const auto below = std::ranges::count_if(values, [&](double v) { return v < low + (high - low) / 4; });
    EXPECT_NEAR(static_cast<double>(below), kDraws / 4.0, tolerance(kDraws, 0.25)) << to_string(kind);
  };
  expect_uniform(OperationKind::brightness, 0.8, 1.2);
  expect_uniform(OperationKind::contrast, 0.5, 1.5);
  expect_uniform(OperationKind::saturation, 0.0, 2.5);
}

TEST(Jitter, LeavesOutWhatIsOff) {
  Rng rng = stream(0);
  const auto operations = draw_jitter({.brightness = 0.0F, .contrast = 0.5F, .saturation = 0.0F}, rng);
  EXPECT_EQ(std::ranges::count(operations, OperationKind::identity, &ImageOperation::kind), 2);
  EXPECT_EQ(std::ranges::count(operations, OperationKind::contrast, &ImageOperation::kind), 1);
}

TEST(ResizedCrop, SidesHaveTorchvisionsDistribution) {
  // recipes: scale (0.75, 1) of 32 x 32 at ratio 1: side = round(sqrt(1024 u)).
  constexpr int kDraws = 20'000;
  std::map<int, int> counts;
  for (std::uint32_t i = 0; i < kDraws; ++i) {
    Rng rng = stream(i);
    const Rectangle part =
        draw_resized_crop({.scale_low = 0.75F, .scale_high = 1.0F, .ratio_low = 1.0F, .ratio_high = 1.0F}, kShape, rng);
    ASSERT_TRUE(is_inside(part, kShape));
    ASSERT_EQ(part.height, part.width);
    ++counts[part.width];
  }
  const std::map<int, double> expected{{28, 0.174}, {29, 0.231}, {30, 0.231}, {31, 0.243}, {32, 0.122}};
  ASSERT_EQ(counts.size(), expected.size());
  for (const auto& [side, share] : expected)
    EXPECT_NEAR(counts[side], kDraws * share, tolerance(kDraws, share) + 0.0005 * kDraws) << side;
}

TEST(ResizedCrop, IsTheWholeImageForAllOfItsAreaAtItsOwnRatio) {
  for (std::uint32_t i = 0; i < 100; ++i) {
    Rng rng = stream(i);
    EXPECT_EQ(
        draw_resized_crop({.scale_low = 1.0F, .scale_high = 1.0F, .ratio_low = 1.0F, .ratio_high = 1.0F}, kShape, rng),
        (Rectangle{0, 0, 32, 32}));
  }
}

TEST(ResizedCrop, LiesInsideImagesOfAnyShapeWithAreaAndRatioInRange) {
  const ResizedCropOptions options{.scale_low = 0.08F, .scale_high = 0.9F};
  for (const ImageShape& shape : {ImageShape{3, 224, 180}, ImageShape{1, 7, 100}, ImageShape{3, 100, 7},
                                  ImageShape{3, 1, 1}, ImageShape{3, 2, 40}}) {
    for (std::uint32_t i = 0; i < 2'000; ++i) {
      Rng rng = stream(i);
      const Rectangle part = draw_resized_crop(options, shape, rng);
      ASSERT_TRUE(is_inside(part, shape) && part.height >= 1 && part.width >= 1);
      if (shape.height < 100 || shape.width < 100) continue;
      ASSERT_NEAR(static_cast<double>(part.width) / part.height, 25.0 / 24, 0.33);
      const double share = part.width * part.height / static_cast<double>(shape.plane());
      ASSERT_TRUE(share > 0.078 && share < 0.905) << share;
    }
  }
}

TEST(ResizedCrop, FallsBackToTheMiddleWhenNothingFits) {
  Rng rng = stream(1);
  const ResizedCropOptions wide{.scale_low = 1.0F, .scale_high = 1.0F, .ratio_low = 4.0F, .ratio_high = 4.0F};
  EXPECT_EQ(draw_resized_crop(wide, {3, 32, 32}, rng), (Rectangle{12, 0, 8, 32}));
  const ResizedCropOptions high{.scale_low = 1.0F, .scale_high = 1.0F, .ratio_low = 0.25F, .ratio_high = 0.25F};
  EXPECT_EQ(draw_resized_crop(high, {3, 32, 32}, rng), (Rectangle{0, 12, 32, 8}));
}

TEST(RandomErasing, HasTorchvisionsProbabilityAreaAndPlaces) {
  constexpr int kDraws = 20'000;
  int drawn = 0;
  double area = 0.0;
  std::set<int> tops;
  for (std::uint32_t i = 0; i < kDraws; ++i) {
    Rng rng = stream(i);
    const auto part = draw_erasing({.probability = 0.2F}, kShape, rng);
    if (!part) continue;
    ASSERT_TRUE(is_inside(*part, kShape) && part->height < 32 && part->width < 32);
    ++drawn;
    tops.insert(part->top);
    const double share = part->height * part->width / 1024.0;
    ASSERT_TRUE(share > 0.014 && share < 0.355) << share;  // rounded sides
    area += share;
  }
  EXPECT_NEAR(drawn, kDraws / 5, tolerance(kDraws, 0.2));
  EXPECT_NEAR(area / drawn, 0.174, 0.008);  // recipes: 17.4%
  EXPECT_EQ(*tops.begin(), 0);
  EXPECT_GE(tops.size(), 28U);
}

TEST(RandomErasing, LeavesImagesTooSmallForItAlone) {
  Rng rng = stream(1);
  EXPECT_EQ(
      draw_erasing({.probability = 1.0F, .scale_low = 0.9F, .scale_high = 1.0F, .ratio_low = 1.0F, .ratio_high = 1.0F},
                   {3, 4, 4}, rng),
      std::nullopt);
  EXPECT_EQ(draw_erasing({.probability = 0.0F}, kShape, rng), std::nullopt);
}

TEST(Erase, CoversThePartInEveryChannelAndNothingElse) {
  const ImageShape shape{2, 3, 4};
  std::vector<float> values(shape.bytes(), 1.0F);
  erase(shape, {1, 2, 2, 1}, values);
  EXPECT_EQ(values, (std::vector<float>{1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 0, 1,  //
                                        1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 0, 1}));
}

TEST(Erase, NoiseIsStandardNormalForEachPixelAndChannel) {
  const ImageShape shape{3, 100, 100};
  std::vector<float> values(shape.bytes(), 5.0F);
  Rng rng = stream(1);
  erase_with_noise(shape, {10, 0, 80, 100}, rng, values);
  double sum = 0.0;
  double square = 0.0;
  for (const float value : values) {
    if (value == 5.0F) continue;
    sum += static_cast<double>(value);
    square += static_cast<double>(value) * static_cast<double>(value);
  }
  EXPECT_EQ(std::ranges::count(values, 5.0F), 3 * 20 * 100);
  EXPECT_NEAR(sum / 24'000, 0.0, 0.04);
  EXPECT_NEAR(square / 24'000, 1.0, 0.05);
  EXPECT_EQ(std::set<float>(values.begin(), values.end()).size() > 23'000, true);
}

TEST(Cutout, CentresOnEveryPixelAndCutsOffWhatSticksOut) {
  std::map<int, int> heights;
  for (std::uint32_t i = 0; i < 32'000; ++i) {
    Rng rng = stream(i);
    const Rectangle part = draw_cutout(8, kShape, rng);
    ASSERT_TRUE(is_inside(part, kShape));
    ++heights[part.height];
  }
  // Of 32 centres 25 leave the whole height, and one each 4 (at the top) to 7, 7 to 5 (at the bottom).
  EXPECT_NEAR(heights[8], 25'000, tolerance(32'000, 25.0 / 32));
  EXPECT_NEAR(heights[4], 1'000, tolerance(32'000, 1.0 / 32));
  EXPECT_NEAR(heights[5], 2'000, tolerance(32'000, 2.0 / 32));
  EXPECT_EQ(heights.begin()->first, 4);
}

}  // namespace
}  // namespace convmixer
