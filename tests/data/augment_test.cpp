#include "convmixer/data/augment.hpp"

#include "support/error_of.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace convmixer {
namespace {

using testing::HasSubstr;
using testing_support::error_of;

const Normalisation kThreeChannels{{0.4914F, 0.4822F, 0.4465F}, {0.2471F, 0.2435F, 0.2616F}};

std::vector<std::uint8_t> random_bytes(std::size_t count, std::uint32_t seed) {
  Rng rng(seed, RandomStream::initialisation);
  std::vector<std::uint8_t> bytes(count);
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(rng.below(256));
  return bytes;
}

/// The plain twin: pads the image with black, crops, flips, then normalises, each on its own.
std::vector<float> plain_augment(const std::vector<std::uint8_t>& image, int channels, int size, int pad,
                                 const AugmentationDraw& draw, const Normalisation& normalisation) {
  const int padded_size = size + 2 * pad;
  std::vector<float> out;
  for (int c = 0; c < channels; ++c) {
    std::vector<int> padded(static_cast<std::size_t>(padded_size * padded_size), 0);
    for (int y = 0; y < size; ++y)
      for (int x = 0; x < size; ++x)
        padded[static_cast<std::size_t>((y + pad) * padded_size + x + pad)] =
            image[static_cast<std::size_t>((c * size + y) * size + x)];
    const float mean = normalisation.mean[static_cast<std::size_t>(c)];
    const float deviation = normalisation.std[static_cast<std::size_t>(c)];
    for (int y = 0; y < size; ++y) {
      for (int x = 0; x < size; ++x) {
        const int from_x = draw.flip ? size - 1 - x : x;
        const int pixel = padded[static_cast<std::size_t>((y + draw.top) * padded_size + from_x + draw.left)];
        const float scaled = static_cast<float>(pixel) / 255.0F;
        const float centred = scaled - mean;
        out.push_back(centred / deviation);
      }
    }
  }
  return out;
}

/// Both stages.
std::vector<float> augmented(const std::vector<std::uint8_t>& image, int size, const Augmentation& augmentation,
                             const AugmentationDraw& draw, const Normalisation& normalisation) {
  std::vector<std::uint8_t> pixels(image.size());
  augment_pixels(image, size, augmentation, draw, pixels);
  std::vector<float> out(image.size());
  normalise_pixels(pixels, Normaliser(normalisation), out);
  return out;
}

TEST(Augment, MatchesThePlainTwinForEveryOffsetAndFlip) {
  for (const int channels : {1, 3}) {
    for (const int size : {1, 5, 8, 13}) {
      for (const int pad : {1, 3, size}) {
        const Normalisation normalisation = channels == 3 ? kThreeChannels : Normalisation{{0.5F}, {0.25F}};
        const auto image = random_bytes(static_cast<std::size_t>(channels * size * size), 3);
        for (int top = 0; top <= 2 * pad; ++top) {
          for (int left = 0; left <= 2 * pad; ++left) {
            const AugmentationDraw draw{top, left, (top + left) % 2 == 1};
            ASSERT_EQ(augmented(image, size, {.pad_crop = pad, .horizontal_flip = true}, draw, normalisation),
                      plain_augment(image, channels, size, pad, draw, normalisation))
                << channels << " channels, size " << size << ", pad " << pad << ", top " << top << ", left " << left;
          }
        }
      }
    }
  }
}

TEST(Augment, WithoutAugmentationOnlyNormalises) {
  const auto image = random_bytes(3 * 32 * 32, 4);
  EXPECT_EQ(augmented(image, 32, {}, {}, kThreeChannels), plain_augment(image, 3, 32, 0, {}, kThreeChannels));
}

TEST(Augment, PadsWithNormalisedBlack) {
  const std::vector<std::uint8_t> image(3 * 4 * 4, 200);
  const std::vector<float> out = augmented(image, 4, {.pad_crop = 4}, {0, 0, false}, kThreeChannels);
  // What PyTorch computes for a black pixel with these constants.
  EXPECT_EQ(out[0], -1.9886686F);
  EXPECT_EQ(out[16], -1.9802876F);
  EXPECT_EQ(out[32], -1.7068044F);
}

TEST(Normaliser, RoundsEachOperationAsTorchvisionDoes) {
  const Normaliser normaliser(kThreeChannels);
  ASSERT_EQ(normaliser.channels(), 3);
  for (std::size_t pixel = 0; pixel < 256; ++pixel) {
    const volatile float scaled = static_cast<float>(pixel) / 255.0F;
    const volatile float centred = scaled - 0.4822F;
    EXPECT_EQ(normaliser.table(1)[pixel], centred / 0.2435F) << pixel;
  }
}

TEST(Normaliser, RefusesConstantsThatDontFitTogether) {
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_THAT(error_of([] { Normaliser({{0.5F, 0.5F}, {0.5F}}); }).what(), HasSubstr("found 2 means and 1"));
  EXPECT_THAT(error_of([] { Normaliser({{}, {}}); }).what(), HasSubstr("found 0 means"));
  EXPECT_THAT(error_of([] { Normaliser({{0.5F, 0.5F}, {0.5F, 0.0F}}); }).what(), HasSubstr("0 of channel 1"));
  EXPECT_THAT(error_of([] { Normaliser({{0.5F}, {-1.0F}}); }).what(), HasSubstr("-1 of channel 0"));
  EXPECT_THAT(error_of([&] { Normaliser({{infinity}, {1.0F}}); }).what(), HasSubstr("not finite"));
  EXPECT_THAT(error_of([&] { Normaliser({{0.0F}, {infinity}}); }).what(), HasSubstr("not positive"));
}

TEST(DrawAugmentation, DrawsEveryOffsetAboutEquallyOften) {
  constexpr int kPad = 4;
  constexpr int kDraws = 81 * 200;
  std::vector<int> counts(81);
  for (std::uint32_t i = 0; i < kDraws; ++i) {
    Rng rng(7, RandomStream::augmentation, 0, i);
    const AugmentationDraw draw = draw_augmentation({.pad_crop = kPad}, rng);
    ASSERT_TRUE(draw.top >= 0 && draw.top <= 2 * kPad && draw.left >= 0 && draw.left <= 2 * kPad);
    ASSERT_FALSE(draw.flip);
    ++counts[static_cast<std::size_t>(draw.top * 9 + draw.left)];
  }
  // 200 expected, standard deviation 14: five of them for the worst of 81.
  EXPECT_GT(*std::ranges::min_element(counts), 130);
  EXPECT_LT(*std::ranges::max_element(counts), 270);
}

TEST(DrawAugmentation, FlipsHalfOfTheImages) {
  int flips = 0;
  for (std::uint32_t i = 0; i < 10'000; ++i) {
    Rng rng(7, RandomStream::augmentation, 0, i);
    const AugmentationDraw draw = draw_augmentation({.horizontal_flip = true}, rng);
    ASSERT_EQ(draw.top, 0);
    ASSERT_EQ(draw.left, 0);
    flips += draw.flip ? 1 : 0;
  }
  EXPECT_NEAR(flips, 5'000, 250);  // five standard deviations
}

TEST(DrawAugmentation, FlipIsIndependentOfTheOffsets) {
  int flips_above = 0;
  int above = 0;
  for (std::uint32_t i = 0; i < 10'000; ++i) {
    Rng rng(7, RandomStream::augmentation, 0, i);
    const AugmentationDraw draw = draw_augmentation({.pad_crop = 4, .horizontal_flip = true}, rng);
    if (draw.top < 4) continue;
    ++above;
    flips_above += draw.flip ? 1 : 0;
  }
  EXPECT_NEAR(static_cast<double>(flips_above) / above, 0.5, 0.04);
}

}  // namespace
}  // namespace convmixer
