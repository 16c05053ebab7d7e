#include "data/augment/image_pipeline.hpp"
#include "support/error_of.hpp"
#include "support/random_bytes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace convmixer {
namespace {

using testing::HasSubstr;
using testing_support::error_of;
using testing_support::random_bytes;

const Normalisation kThreeChannels{{0.4914F, 0.4822F, 0.4465F}, {0.2471F, 0.2435F, 0.2616F}};
const Normalisation kOneChannel{{0.5F}, {0.25F}};

std::vector<std::uint8_t> augmented(const ImagePipeline& pipeline, const std::vector<std::uint8_t>& image,
                                    const ImageKey& key) {
  std::vector<std::uint8_t> working(pipeline.working_bytes());
  std::vector<std::uint8_t> out(image.size());
  pipeline.augment(image, key, working, out);
  return out;
}

std::vector<float> normalised(const ImagePipeline& pipeline, const std::vector<std::uint8_t>& image,
                              const ImageKey& key) {
  std::vector<float> out(image.size());
  pipeline.normalise(image, key, out);
  return out;
}

/// The plain twin: one output pixel of a crop with a border.
std::uint8_t plain_crop(const std::vector<std::uint8_t>& image, const ImageShape& shape, Padding padding, int channel,
                        int y, int x) {
  const auto inside = [&](int at, int size) {
    if (padding == Padding::zeros) return at >= 0 && at < size ? at : -1;
    return at < 0 ? -at : at < size ? at : 2 * size - 2 - at;
  };
  const int from_y = inside(y, shape.height);
  const int from_x = inside(x, shape.width);
  if (from_y < 0 || from_x < 0) return 0;
  return image[static_cast<std::size_t>((channel * shape.height + from_y) * shape.width + from_x)];
}

TEST(Crop, MatchesThePlainTwinForEveryOffsetPaddingAndFlip) {
  for (const ImageShape& shape : {ImageShape{1, 1, 1}, ImageShape{3, 5, 5}, ImageShape{1, 8, 3}, ImageShape{3, 4, 9}}) {
    const auto image = random_bytes(shape.bytes(), 3);
    std::vector<std::uint8_t> out(shape.bytes());
    for (const Padding padding : {Padding::zeros, Padding::reflect}) {
      const int most = padding == Padding::zeros ? 9 : std::min(shape.height, shape.width) - 1;
      for (int top = -most; top <= most; ++top) {
        for (int left = -most; left <= most; ++left) {
          const bool flip = (top + left) % 2 == 1;
          crop({shape, image}, top, left, padding, flip, {shape, out});
          std::vector<std::uint8_t> expected;
          for (int channel = 0; channel < shape.channels; ++channel) {
            for (int y = 0; y < shape.height; ++y) {
              for (int x = 0; x < shape.width; ++x)
                expected.push_back(
                    plain_crop(image, shape, padding, channel, top + y, left + (flip ? shape.width - 1 - x : x)));
            }
          }
          ASSERT_EQ(out, expected) << shape.height << " x " << shape.width << ", top " << top << ", left " << left;
        }
      }
    }
  }
}

TEST(ImagePipeline, DrawsEveryCropOffsetAboutEquallyOften) {
  constexpr int kPad = 4;
  constexpr int kSize = 9;
  const ImageShape shape{1, kSize, kSize};
  const ImagePipeline pipeline({.pad_crop = kPad}, kOneChannel, shape);
  std::vector<std::uint8_t> image(shape.bytes());  // every pixel its place, so that the middle one tells the offset
  for (std::size_t i = 0; i < image.size(); ++i) image[i] = static_cast<std::uint8_t>(i);
  std::vector<int> counts(81);
  for (std::uint32_t i = 0; i < 81 * 200; ++i) ++counts[augmented(pipeline, image, {7, 0, i})[40]];
  // 200 expected, standard deviation 14: five of them for the worst of 81.
  EXPECT_GT(*std::ranges::min_element(counts), 130);
  EXPECT_LT(*std::ranges::max_element(counts), 270);
}

TEST(ImagePipeline, FlipsHalfOfTheImagesWhateverTheirOffset) {
  const ImageShape shape{1, 1, 3};
  const ImagePipeline pipeline({.pad_crop = 1, .horizontal_flip = true}, kOneChannel, shape);
  std::array<std::array<int, 2>, 3> counts{};  // by offset, then flip
  for (std::uint32_t i = 0; i < 30'000; ++i) {
    const auto out = augmented(pipeline, {10, 20, 30}, {7, 0, i});
    const std::size_t offset = out[1] / 10U - 1;
    if (*std::ranges::max_element(out) == 0) continue;  // a row of the border
    const bool flipped = offset == 0 ? out[0] == 20 : offset == 1 ? out[0] == 30 : out[2] == 20;
    ++counts[offset][flipped ? 1 : 0];
  }
  for (const auto& [plain, flipped] : counts) EXPECT_NEAR(plain - flipped, 0, 300);  // five standard deviations
}

TEST(ImagePipeline, AlternatingFlipsAreDrawnOnceAndThenTurnedEveryEpoch) {
  const ImageShape shape{1, 1, 2};
  const ImagePipeline pipeline({.horizontal_flip = true, .alternating_flip = true}, kOneChannel, shape);
  const auto is_flipped = [&](std::uint32_t epoch, std::uint32_t index) {
    return augmented(pipeline, {1, 2}, {7, epoch, index})[0] == 2;
  };
  int flipped = 0;
  for (std::uint32_t index = 0; index < 10'000; ++index) {
    flipped += is_flipped(0, index) ? 1 : 0;
    for (const std::uint32_t epoch : {1U, 2U, 5U, 8U})
      ASSERT_EQ(is_flipped(epoch, index), is_flipped(0, index) != (epoch % 2 == 1)) << index << " in epoch " << epoch;
  }
  EXPECT_NEAR(flipped, 5'000, 250);
}

Augmentation everything() {
  return {.horizontal_flip = true,
          .resized_crop = {.scale_low = 0.3F, .scale_high = 1.0F, .filter = ResizedCropOptions::Filter::random},
          .rand_augment = {.operations = 3, .magnitude = 12},
          .jitter = {0.2F, 0.3F, 0.4F},
          .erasing = {.probability = 0.5F, .fill = ErasingOptions::Fill::noise},
          .cutout = 3};
}

TEST(ImagePipeline, IsAFunctionOfSeedEpochAndImage) {
  const ImageShape shape{3, 12, 12};
  const ImagePipeline pipeline(everything(), kThreeChannels, shape);
  const auto image = random_bytes(shape.bytes(), 5);
  std::array<int, 3> erased_otherwise{};  // with another seed, epoch, image
  for (std::uint32_t i = 0; i < 50; ++i) {
    const ImageKey key{3, 2, i};
    const auto bytes = augmented(pipeline, image, key);
    EXPECT_EQ(augmented(pipeline, image, key), bytes);
    EXPECT_EQ(normalised(pipeline, bytes, key), normalised(pipeline, bytes, key));
    const std::array<ImageKey, 3> others{{{4, 2, i}, {3, 3, i}, {3, 2, i + 1000}}};
    for (std::size_t other = 0; other < others.size(); ++other)
      erased_otherwise[other] += normalised(pipeline, bytes, others[other]) != normalised(pipeline, bytes, key) ? 1 : 0;
    EXPECT_NE(augmented(pipeline, image, {4, 2, i}), bytes);
    EXPECT_NE(augmented(pipeline, image, {3, 3, i}), bytes);
    EXPECT_NE(augmented(pipeline, image, {3, 2, i + 1000}), bytes);
  }
  // An erasing that isn't drawn at all, by neither key, is the same: a quarter of them.
  EXPECT_THAT(erased_otherwise, testing::Each(testing::AllOf(testing::Ge(25), testing::Le(50))));
}

TEST(ImagePipeline, LeavesThePixelsOfTheCropsAndFlipsOfEarlierVersionsAsTheyWere) {
  // What a run with crop and flip saw before there were other augmentations, it must see when it goes on.
  const ImageShape shape{1, 2, 4};
  const ImagePipeline pipeline({.pad_crop = 1, .horizontal_flip = true}, kOneChannel, shape);
  for (std::uint32_t i = 0; i < 100; ++i) {
    Rng rng(9, RandomStream::augmentation, 4, i);
    const int top = static_cast<int>(rng.below(3)) - 1;
    const int left = static_cast<int>(rng.below(3)) - 1;
    const bool flip = rng.below(2) == 1;
    const std::vector<std::uint8_t> image{1, 2, 3, 4, 5, 6, 7, 8};
    std::vector<std::uint8_t> expected(image.size());
    crop({shape, image}, top, left, Padding::zeros, flip, {shape, expected});
    EXPECT_EQ(augmented(pipeline, image, {9, 4, i}), expected);
  }
}

TEST(ImagePipeline, AppliesThePolicysOperationsThenJitter) {
  const ImageShape shape{3, 7, 9};
  const auto image = random_bytes(shape.bytes(), 6);
  for (const bool is_timm : {false, true}) {
    Augmentation augmentation{.jitter = {0.5F, 0.5F, 0.5F}};
    if (is_timm) {
      augmentation.timm_augment = *parse_timm_augment("rand-m9-n3-mstd0.5-inc1");
    } else {
      augmentation.rand_augment = {.operations = 3, .magnitude = 12};
    }
    const ImagePipeline pipeline(augmentation, kThreeChannels, shape);
    const std::vector<std::uint8_t> fill =
        is_timm ? std::vector<std::uint8_t>{125, 123, 114} : std::vector<std::uint8_t>{0, 0, 0};
    for (std::uint32_t i = 0; i < 200; ++i) {
      Rng rng(1, RandomStream::augmentation, 0, i);
      std::vector<ImageOperation> operations;
      for (int n = 0; n < 3; ++n)
        operations.push_back(is_timm ? TimmAugment(augmentation.timm_augment, shape).draw(rng)
                                     : RandAugment(12, shape).draw(rng));
      std::ranges::copy(draw_jitter(augmentation.jitter, rng), std::back_inserter(operations));
      std::vector<std::uint8_t> expected = image;
      for (const ImageOperation& operation : operations) {
        const std::vector<std::uint8_t> before = expected;
        apply(operation, {shape, before}, fill, {shape, expected});
      }
      ASSERT_EQ(augmented(pipeline, image, {1, 0, i}), expected) << i;
    }
  }
}

TEST(ImagePipeline, ResizesThePartThatIsDrawn) {
  const ImageShape shape{3, 10, 7};
  const auto image = random_bytes(shape.bytes(), 6);
  const Augmentation augmentation{.resized_crop = {.scale_low = 0.2F, .scale_high = 0.9F}};
  const ImagePipeline pipeline(augmentation, kThreeChannels, shape);
  for (std::uint32_t i = 0; i < 200; ++i) {
    Rng rng(1, RandomStream::augmentation, 0, i);
    const Rectangle part = draw_resized_crop(augmentation.resized_crop, shape, rng);
    const ResizeWeights horizontal(part.width, shape.width, ResizeFilter::bilinear);
    const ResizeWeights vertical(part.height, shape.height, ResizeFilter::bilinear);
    std::vector<std::uint8_t> working(resize_working_bytes(part.height, shape.width));
    std::vector<std::uint8_t> expected(image.size());
    resize({shape, image}, part, horizontal, vertical, working, {shape, expected});
    ASSERT_EQ(augmented(pipeline, image, {1, 0, i}), expected) << i;
  }
}

TEST(ImagePipeline, WithoutAugmentationOnlyNormalises) {
  const ImageShape shape{3, 4, 4};
  const ImagePipeline pipeline({}, kThreeChannels, shape);
  const auto image = random_bytes(shape.bytes(), 4);
  EXPECT_EQ(augmented(pipeline, image, {1, 2, 3}), image);
  // What PyTorch computes for a black pixel with these constants.
  const auto black = normalised(pipeline, std::vector<std::uint8_t>(shape.bytes(), 0), {1, 2, 3});
  EXPECT_EQ(black[0], -1.9886686F);
  EXPECT_EQ(black[16], -1.9802876F);
  EXPECT_EQ(black[32], -1.7068044F);
}

TEST(ImagePipeline, ErasesToTheMeanColourAfterNormalisation) {
  const ImageShape shape{3, 8, 8};
  Augmentation augmentation{
      .erasing = {.probability = 1.0F, .scale_low = 0.25F, .scale_high = 0.25F, .ratio_low = 1.0F, .ratio_high = 1.0F}};
  const std::vector<std::uint8_t> image(shape.bytes(), 255);
  const auto zeros = [&] {
    const ImagePipeline pipeline(augmentation, kThreeChannels, shape);
    return std::ranges::count(normalised(pipeline, image, {1, 0, 0}), 0.0F);
  };
  EXPECT_EQ(zeros(), 3 * 4 * 4);
  augmentation.cutout = 1;
  augmentation.erasing.probability = 0.0F;
  EXPECT_EQ(zeros(), 3);
}

TEST(ImagePipeline, ErasesTheSameShareOfAReducedImage) {
  const ImageShape small{3, 4, 4};
  const std::vector<std::uint8_t> image(small.bytes(), 255);
  const auto zeros = [&](const Augmentation& augmentation) {
    const ImagePipeline pipeline(augmentation, kThreeChannels, {3, 8, 8});
    std::vector<float> out(small.bytes());
    std::int64_t most = 0;
    for (std::uint32_t i = 0; i < 50; ++i) {  // some lie across a border
      pipeline.normalise({small, image}, {1, 0, i}, out);
      most = std::max<std::int64_t>(most, std::ranges::count(out, 0.0F));
    }
    return most;
  };
  EXPECT_EQ(zeros({.cutout = 4}), 3 * 2 * 2);
  EXPECT_EQ(zeros({.cutout = 1}), 3) << "a pixel at least";
  EXPECT_EQ(
      zeros(
          {.erasing =
               {.probability = 1.0F, .scale_low = 0.25F, .scale_high = 0.25F, .ratio_low = 1.0F, .ratio_high = 1.0F}}),
      3 * 2 * 2);
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

TEST(CheckAugmentation, RefusesWhatDoesntFitSayingWhy) {
  const auto refusal = [](const Augmentation& augmentation, ImageShape shape = {3, 8, 6}) -> std::string {
    return error_of([&] { check_augmentation(augmentation, shape); }).what();
  };
  EXPECT_EQ(refusal({.pad_crop = -1}), "pad-crop = -1: padding before the crop, expected 0 to the image size 6");
  EXPECT_THAT(refusal({.pad_crop = 7}), HasSubstr("pad-crop = 7"));
  EXPECT_EQ(refusal({.pad_crop = 6, .padding = Padding::reflect}),
            "pad-crop = 6: padding before the crop, expected 0 to less than the image size 6");
  EXPECT_EQ(refusal({.pad_crop = 2, .resized_crop = {.scale_low = 0.5F, .scale_high = 1.0F}}),
            "pad-crop and resized-crop exclude each other: set pad-crop = 0");
  EXPECT_THAT(refusal({.resized_crop = {.scale_low = 0.8F, .scale_high = 0.5F}}), HasSubstr("found 0.8 to 0.5"));
  EXPECT_THAT(refusal({.resized_crop = {.scale_low = 0.0F, .scale_high = 0.5F}}), HasSubstr("found 0 to 0.5"));
  EXPECT_EQ(refusal({.alternating_flip = true}), "alternating-flip has no effect without horizontal-flip");
  EXPECT_THAT(refusal({.rand_augment = {.operations = 17}}), HasSubstr("found 17"));
  EXPECT_THAT(refusal({.rand_augment = {.operations = 1, .magnitude = 31}}), HasSubstr("found 31"));
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(refusal({.timm_augment = {.operations = 1, .magnitude = 11.0F}}),
            "magnitude of auto-augment: found 11, expected 0 to 10");
  EXPECT_EQ(refusal({.timm_augment = {.operations = 1, .magnitude = nan}}),
            "magnitude of auto-augment: found nan, expected 0 to 10");
  EXPECT_EQ(refusal({.timm_augment = {.operations = 1, .deviation = -1.0F}}),
            "deviation of auto-augment's magnitude: found -1, expected a number of at least 0");
  EXPECT_EQ(refusal({.timm_augment = {.operations = 1, .probability = nan}}),
            "probability of auto-augment's operations: found nan, expected 0 to 1");
  EXPECT_THAT(refusal({.resized_crop = {.scale_high = -1.0F}}), HasSubstr("found 0 to -1"));
  EXPECT_THAT(refusal({.resized_crop = {.scale_low = 0.5F, .scale_high = nan}}), HasSubstr("found 0.5 to nan"));
  EXPECT_EQ(refusal({.rand_augment = {.operations = 1}, .timm_augment = {.operations = 1}}),
            "randaugment and auto-augment exclude each other");
  EXPECT_THAT(refusal({.jitter = {.brightness = -0.1F}}), HasSubstr("found -0.1"));
  EXPECT_THAT(refusal({.rand_augment = {.operations = 1}}, {4, 8, 8}), HasSubstr("4 channels"));
  EXPECT_THAT(refusal({.erasing = {.probability = 1.5F}}), HasSubstr("found 1.5"));
  EXPECT_THAT(refusal({.erasing = {.scale_high = 2.0F}}), HasSubstr("found 0.02 to 2"));
  EXPECT_THAT(refusal({.cutout = 9}), HasSubstr("found 9"));
  EXPECT_NO_THROW(check_augmentation(everything(), {3, 8, 8}));
}

}  // namespace
}  // namespace convmixer
