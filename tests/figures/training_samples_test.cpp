#include "convmixer/figures/training_samples.hpp"

#include "convmixer/data/loader.hpp"
#include "convmixer/data/sources/shapes.hpp"
#include "convmixer/figures/contact_sheet.hpp"
#include "data/decode/image_file.hpp"
#include "support/error_of.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <memory>

namespace convmixer {
namespace {

using testing_support::error_of;

class TrainingSamples : public testing::Test {
 protected:
  TrainingSamples() {
    options.batch_size = 8;
    options.shuffle = true;
    options.seed = 3;
    options.normalisation = train->normalisation();
  }

  std::unique_ptr<Dataset> train = make_shapes(Split::train, 20);
  LoaderOptions options;
  ThreadPool pool{2};
};

TEST_F(TrainingSamples, WithoutAugmentationAreTheImagesInTheEpochsOrder) {
  const std::vector<TrainingSample> samples = training_samples(11, 2, options, *train, pool);
  const std::vector<std::uint32_t> order = epoch_order(20, 3, 1);
  ASSERT_EQ(samples.size(), 11U);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    EXPECT_EQ(samples[i].index, order[i]);
    EXPECT_EQ(samples[i].image.pixels, samples[i].original.pixels);
    EXPECT_EQ(samples[i].image.side, 32);
    ASSERT_EQ(samples[i].target.size(), 1U);
    EXPECT_EQ(samples[i].target.front().label, train->label(order[i]));
  }
  EXPECT_EQ(training_samples(99, 1, options, *train, pool).size(), 20U);  // no more in an epoch
}

TEST_F(TrainingSamples, WithoutShufflingAreTheImagesInTheDataSetsOrder) {
  options.shuffle = false;
  const std::vector<TrainingSample> samples = training_samples(11, 2, options, *train, pool);
  ASSERT_EQ(samples.size(), 11U);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    EXPECT_EQ(samples[i].index, static_cast<std::int64_t>(i));
    EXPECT_EQ(samples[i].image.pixels, samples[i].original.pixels);
    EXPECT_EQ(samples[i].target.front().label, train->label(static_cast<std::int64_t>(i)));
  }
}

TEST_F(TrainingSamples, OfOneOfSeveralRanksAreRefused) {
  options.ranks = 2;
  EXPECT_STREQ(error_of([&] { (void)training_samples(3, 1, options, *train, pool); }).what(),
               "training samples: found options of 2 ranks, expected those of one process");
}

TEST_F(TrainingSamples, OfAnEpochOfSmallerImagesAreSmaller) {
  options.image_sizes = {{.image_size = 8, .first_epoch = 0, .end_epoch = 1},
                         {.image_size = 32, .first_epoch = 1, .end_epoch = 2}};
  const TrainingSample first = training_samples(1, 1, options, *train, pool).front();
  EXPECT_EQ(first.image.side, 8);
  EXPECT_EQ(first.image.pixels.size(), 3U * 8 * 8);
  EXPECT_EQ(first.original.side, 32);
  EXPECT_EQ(training_samples(1, 2, options, *train, pool).front().image.side, 32);

  // On the sheet they are as large as the others: the mean of what is drawn is that of the whole image, nearly.
  const PngImage sheet = draw_contact_sheet({.rows = 1, .columns = 1}, "", options, *train, pool);
  const DecodedImage drawn = decode_image(std::as_bytes(std::span(sheet.bytes)));
  const int top = drawn.height - 8 - 128 - 4 - 18;  // what lies below the image: line, gaps
  double sum = 0.0;
  for (int y = 0; y < 128; ++y)
    for (int x = 0; x < 128; ++x)
      sum += drawn.pixels[static_cast<std::size_t>(top + y) * static_cast<std::size_t>(drawn.width) +
                          static_cast<std::size_t>(8 + x)];
  double expected = 0.0;
  for (std::size_t i = 0; i < 32 * 32; ++i) expected += first.original.pixels[i];
  EXPECT_NEAR(sum / (128 * 128), expected / (32 * 32), 1.0);
}

TEST_F(TrainingSamples, OfMixedImagesSayTheTwoClassesWithMostOfTheTarget) {
  options.mix.mixup = 1.0F;
  int mixed = 0;
  for (const TrainingSample& sample : training_samples(20, 1, options, *train, pool)) {
    double sum = 0.0;
    for (const TargetShare& one : sample.target) sum += one.share;
    EXPECT_NEAR(sum, 1.0, 0.02);
    EXPECT_LE(sample.target.size(), 2U);
    EXPECT_GE(sample.target.front().share, sample.target.back().share);
    mixed += sample.target.size() == 2 ? 1 : 0;
  }
  EXPECT_GT(mixed, 5);
}

TEST_F(TrainingSamples, TooFewForASheetAreRefused) {
  const Error error =
      error_of([&] { return draw_contact_sheet({.rows = 3, .columns = 7}, "", options, *train, pool); });
  EXPECT_EQ(error.kind(), ErrorKind::usage);
  EXPECT_STREQ(error.what(), "a sheet of 3 rows and 7 columns needs 21 samples, an epoch has 20");
}

}  // namespace
}  // namespace convmixer
