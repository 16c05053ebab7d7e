#include "data/augment/mix.hpp"

#include "convmixer/model/loss.hpp"
#include "data/augment/beta_distribution.hpp"
#include "data/augment/mix_expected.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace convmixer {
namespace {

constexpr std::size_t kImages = 4;
constexpr int kSize = 5;
constexpr std::size_t kClasses = 3;
constexpr std::size_t kImageElements = 2 * kSize * kSize;
constexpr std::int32_t kLabels[kImages] = {2, 0, 0, 1};

float value(std::size_t i) { return (static_cast<float>(i * 37 % 61) - 30.0F) / 7.0F; }
std::uint8_t byte(std::size_t i) { return static_cast<std::uint8_t>(i * 101 + i * i); }

template <typename Pixel>
MixDraw draw_of(const MixedBatch<Pixel>& mixed) {
  if (mixed.row >= 0) return cutmix_around(mixed.share, kSize, mixed.row, mixed.column);
  return {.kind = MixDraw::Kind::mixup, .share = mixed.share, .box = {}};
}

/// Targets of all images, one after the other.
std::vector<float> targets_of(const MixDraw& draw, MixVariant variant) {
  std::vector<float> targets(kImages * kClasses);
  for (std::size_t i = 0; i < kImages; ++i) {
    const auto partner = static_cast<std::size_t>(mix_partner(variant, static_cast<std::int64_t>(i), kImages));
    (void)mix_targets(draw, kLabels[i], kLabels[partner], std::span(targets).subspan(i * kClasses, kClasses));
  }
  return targets;
}

TEST(Mix, GivesTorchvisionsValuesAndTargetsToTheLastBit) {
  std::vector<float> values(kImages * kImageElements);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = value(i);
  for (const MixedBatch<float>& expected : kTorchvisionMixed) {
    const MixDraw draw = draw_of(expected);
    std::vector<float> mixed = values;
    for (std::size_t i = 0; i < kImages; ++i) {
      const auto partner = static_cast<std::size_t>(mix_partner(MixVariant::torchvision, static_cast<int>(i), kImages));
      mix_values(draw, kSize, std::span(mixed).subspan(i * kImageElements, kImageElements),
                 std::span(values).subspan(partner * kImageElements, kImageElements));
    }
    EXPECT_EQ(mixed, expected.pixels) << expected.share;
    EXPECT_EQ(targets_of(draw, MixVariant::torchvision), expected.targets) << expected.share;
  }
}

TEST(Mix, GivesTimmsBytesToTheLastBit) {
  std::vector<std::uint8_t> bytes(kImages * kImageElements);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = byte(i);
  for (const MixedBatch<std::uint8_t>& expected : kTimmMixed) {
    std::vector<std::uint8_t> mixed(bytes.size());
    for (std::size_t i = 0; i < kImages; ++i) {
      const auto partner = static_cast<std::size_t>(mix_partner(MixVariant::timm, static_cast<int>(i), kImages));
      mix_pixels(draw_of(expected), kSize, std::span(bytes).subspan(i * kImageElements, kImageElements),
                 std::span(bytes).subspan(partner * kImageElements, kImageElements),
                 std::span(mixed).subspan(i * kImageElements, kImageElements));
    }
    EXPECT_EQ(mixed, expected.pixels) << expected.share;
  }
}

TEST(Mix, GivesTimmsSmoothedTargetsOnceTheLossHasSmoothedThem) {
  for (const MixedBatch<std::uint8_t>& expected : kTimmMixed) {
    const std::vector<float> targets = targets_of(draw_of(expected), MixVariant::timm);
    // With equal logits the gradient is (1 / classes - target) / images.
    std::vector<float> gradient(targets.size());
    const std::vector<float> logits(targets.size(), 0.0F);
    (void)softmax_cross_entropy(logits, kClasses, {.labels = {}, .soft = targets, .label_smoothing = 0.1F}, gradient);
    for (std::size_t i = 0; i < targets.size(); ++i)
      EXPECT_NEAR(1.0F / kClasses - gradient[i] * kImages, expected.targets[i], 2e-7F) << expected.share;
  }
}

TEST(Mix, CutsTheBoxesOfTorchvisionAndTimm) {
  for (const CutBox& expected : kCutBoxes) {
    const MixDraw draw = cutmix_around(expected.share, expected.size, expected.row, expected.column);
    const Rectangle box{expected.top, expected.left, expected.bottom - expected.top, expected.right - expected.left};
    EXPECT_EQ(draw.box, box) << expected.share << " of " << expected.size;
    EXPECT_EQ(draw.share, expected.corrected_share);
  }
}

TEST(Mix, RoundsTiesToTheEvenByte) {
  const MixDraw half{.kind = MixDraw::Kind::mixup, .share = 0.5, .box = {}};
  const std::vector<std::uint8_t> own{0, 1, 2, 254, 255, 255};
  const std::vector<std::uint8_t> partner{1, 2, 3, 255, 255, 0};
  std::vector<std::uint8_t> mixed(own.size());
  mix_pixels(half, 1, own, partner, mixed);
  EXPECT_EQ(mixed, (std::vector<std::uint8_t>{0, 2, 2, 254, 255, 128}));
}

TEST(Mix, LeavesAnImageAsItIsWhenItsShareIsAll) {
  const std::vector<std::uint8_t> own{0, 1, 128, 255};
  const std::vector<std::uint8_t> partner{9, 99, 0, 0};
  for (const MixDraw& draw :
       {MixDraw{}, MixDraw{.kind = MixDraw::Kind::mixup, .share = 1.0, .box = {}}, cutmix_around(1.0, 2, 1, 1)}) {
    std::vector<std::uint8_t> mixed(own.size());
    mix_pixels(draw, 2, own, partner, mixed);
    EXPECT_EQ(mixed, own);
    std::vector<float> values{1.0F, 0.1F, -3.0F, 7.0F};
    mix_values(draw, 2, values, std::vector<float>{9.0F, 9.0F, 9.0F, 9.0F});
    EXPECT_EQ(values, (std::vector<float>{1.0F, 0.1F, -3.0F, 7.0F}));
    std::vector<float> target(3);
    EXPECT_EQ(mix_targets(draw, 1, 2, target), 1);
    EXPECT_EQ(target, (std::vector<float>{0.0F, 1.0F, 0.0F}));
  }
}

TEST(MixPartner, IsTheImageBeforeForTorchvisionAndTheMirroredOneForTimm) {
  for (const std::int64_t size : {1, 2, 5, 8}) {
    for (std::int64_t place = 0; place < size; ++place) {
      EXPECT_EQ(mix_partner(MixVariant::torchvision, place, size), (place + size - 1) % size);
      EXPECT_EQ(mix_partner(MixVariant::timm, place, size), size - 1 - place);
    }
  }
}

TEST(MixTargets, NameTheClassWithTheLargerShare) {
  std::vector<float> target(3);
  const auto named = [&](double share, std::int32_t own, std::int32_t partner) {
    return mix_targets({.kind = MixDraw::Kind::mixup, .share = share, .box = {}}, own, partner, target);
  };
  EXPECT_EQ(named(0.75, 1, 2), 1);
  EXPECT_EQ(target, (std::vector<float>{0.0F, 0.75F, 0.25F}));
  EXPECT_EQ(named(0.25, 1, 2), 2);
  EXPECT_EQ(named(0.5, 2, 0), 2) << "of two equal ones the image's own";
  EXPECT_EQ(named(0.125, 0, 0), 0);
  EXPECT_EQ(target, (std::vector<float>{1.0F, 0.0F, 0.0F}));
}

constexpr std::uint32_t kDraws = 20'000;

/// One draw for each of many batches.
std::vector<MixDraw> draws(const MixOptions& options, int image_size = 32) {
  std::vector<MixDraw> result;
  for (std::uint32_t batch = 0; batch < kDraws; ++batch) {
    Rng rng(11, RandomStream::mixing, 0, batch);
    result.push_back(draw_mix(options, image_size, rng));
  }
  return result;
}

double part_of(const std::vector<MixDraw>& all, MixDraw::Kind kind) {
  const auto count = std::ranges::count(all, kind, &MixDraw::kind);
  return static_cast<double>(count) / static_cast<double>(all.size());
}

TEST(DrawMix, ChoosesMixupAndCutmixAsOftenAsAsked) {
  const double five_deviations = 5.0 * std::sqrt(0.25 / kDraws);
  const auto both = draws({.mixup = 1.0F, .cutmix = 1.0F, .probability = 0.75F, .switch_probability = 0.25F});
  EXPECT_NEAR(part_of(both, MixDraw::Kind::none), 0.25, five_deviations);
  EXPECT_NEAR(part_of(both, MixDraw::Kind::mixup), 0.75 * 0.75, five_deviations);
  EXPECT_NEAR(part_of(both, MixDraw::Kind::cutmix), 0.75 * 0.25, five_deviations);
  EXPECT_EQ(part_of(draws({.mixup = 1.0F}), MixDraw::Kind::mixup), 1.0);
  EXPECT_EQ(part_of(draws({.cutmix = 1.0F}), MixDraw::Kind::cutmix), 1.0);
  EXPECT_EQ(part_of(draws({}), MixDraw::Kind::none), 1.0);
  EXPECT_EQ(part_of(draws({.mixup = 1.0F, .probability = 0.0F}), MixDraw::Kind::none), 1.0);
}

TEST(DrawMix, KeepsEveryBoxInsideTheImageAndCountsItsPixels) {
  for (const int size : {1, 2, 7, 32}) {
    for (const MixDraw& draw : draws({.cutmix = 0.5F}, size)) {
      const Rectangle& box = draw.box;
      ASSERT_TRUE(0 <= box.top && 0 <= box.height && box.top + box.height <= size);
      ASSERT_TRUE(0 <= box.left && 0 <= box.width && box.left + box.width <= size);
      const double inside = box.height * box.width;
      ASSERT_EQ(draw.share, 1.0 - inside / (size * size));
    }
  }
}

TEST(DrawMix, ReachesEveryPixelWithItsBoxes) {
  constexpr int kSide = 8;
  std::vector<int> covered(kSide * kSide);
  for (const MixDraw& draw : draws({.cutmix = 1.0F}, kSide)) {
    for (int row = draw.box.top; row < draw.box.top + draw.box.height; ++row)
      for (int column = draw.box.left; column < draw.box.left + draw.box.width; ++column)
        ++covered[static_cast<std::size_t>(row * kSide + column)];
  }
  EXPECT_GT(*std::ranges::min_element(covered), static_cast<int>(kDraws) / 20);
}

/// Kolmogorov and Smirnov's distance between draws and a distribution function.
template <typename Distribution>
double distance(std::vector<double> samples, const Distribution& distribution) {
  std::ranges::sort(samples);
  double largest = 0.0;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const double expected = distribution(samples[i]);
    const auto count = static_cast<double>(samples.size());
    largest = std::max({largest, std::abs(expected - static_cast<double>(i) / count),
                        std::abs(expected - static_cast<double>(i + 1) / count)});
  }
  return largest;
}

std::vector<double> shares(float alpha) {
  std::vector<double> result;
  for (const MixDraw& draw : draws({.mixup = alpha})) result.push_back(draw.share);
  return result;
}

TEST(DrawMix, DrawsSharesOfTheBetaDistribution) {
  const double limit = 1.95 / std::sqrt(kDraws);  // exceeded once in a thousand
  EXPECT_LT(distance(shares(1.0F), [](double x) { return x; }), limit);
  EXPECT_LT(distance(shares(0.5F), [](double x) { return 2.0 / M_PI * std::asin(std::sqrt(x)); }), limit);
  EXPECT_LT(distance(shares(2.0F), [](double x) { return x * x * (3.0 - 2.0 * x); }), limit);
  EXPECT_GT(distance(shares(0.8F), [](double x) { return x; }), limit) << "the test tells alphas apart";
}

TEST(DrawSymmetricBeta, HasTheRightVarianceAndStaysInItsRangeForAnyAlpha) {
  for (const double alpha : {0.01, 0.2, 0.5, 1.0, 3.0, 50.0, 1000.0}) {
    double sum = 0.0;
    double squares = 0.0;
    for (std::uint32_t i = 0; i < kDraws; ++i) {
      Rng rng(5, RandomStream::mixing, 1, i);
      const double x = draw_symmetric_beta(alpha, rng);
      ASSERT_TRUE(x >= 0.0 && x <= 1.0) << x;
      sum += x - 0.5;
      squares += (x - 0.5) * (x - 0.5);
    }
    const double variance = 1.0 / (4.0 * (2.0 * alpha + 1.0));
    EXPECT_NEAR(sum / kDraws, 0.0, 5.0 * std::sqrt(variance / kDraws)) << alpha;
    EXPECT_NEAR(squares / kDraws / variance, 1.0, 0.06) << alpha;
  }
}

}  // namespace
}  // namespace convmixer
