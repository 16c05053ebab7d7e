// Batches of images that are reduced in some epochs.
#include "convmixer/core/error.hpp"
#include "data/augment/image_pipeline.hpp"
#include "data/augment/reduction.hpp"
#include "data/loader_fixture.hpp"
#include "support/error_of.hpp"

namespace convmixer {
namespace {

using testing_support::error_of;

/// Epochs 0 and 1 at 3 x 3 pixels, 2 at 4 x 4, from 3 on at the data set's 6 x 6.
LoaderOptions sized_options() {
  LoaderOptions options = training_options();
  options.image_sizes = {{3, 0, 2}, {4, 2, 3}, {kImageSize, 3, 5}};
  return options;
}

int size_in(std::int64_t epoch) { return epoch < 2 ? 3 : epoch == 2 ? 4 : kImageSize; }

TEST(LoaderSizes, HoldAugmentedImagesReducedThenNormalised) {
  const Numbered dataset(20);
  ThreadPool pool(2);
  LoaderOptions options = sized_options();
  options.augmentation.erasing = {.probability = 0.5F, .scale_low = 0.2F, .scale_high = 0.5F};
  options.augmentation.cutout = 2;
  Loader loader(dataset, options, pool);
  EXPECT_EQ(loader.image_shape().height, kImageSize);
  const ImageShape whole{3, kImageSize, kImageSize};
  const ImagePipeline pipeline(options.augmentation, options.normalisation, whole);
  std::vector<std::uint8_t> working(pipeline.working_bytes());
  std::vector<std::uint8_t> pixels(kImageBytes);
  for (const std::int64_t epoch : {0, 1, 2, 3, 4, 7}) {
    const ImageShape shape{3, size_in(epoch), size_in(epoch)};
    const Reduction reduction(whole, shape.height);
    std::vector<std::uint8_t> reduced(shape.bytes());
    std::vector<float> expected(shape.bytes());
    const std::vector<std::uint32_t> order = epoch_order(20, options.seed, epoch);
    std::size_t i = 0;
    loader.start(epoch);
    while (const Batch* batch = loader.next()) {
      ASSERT_EQ(batch->shape, shape) << epoch;
      ASSERT_EQ(batch->images.size(), static_cast<std::size_t>(batch->size) * shape.bytes());
      for (std::size_t n = 0; n < batch->labels.size(); ++n, ++i) {
        const ImageKey key{options.seed, static_cast<std::uint32_t>(epoch), order[i]};
        pipeline.augment(dataset.image(order[i]), key, working, pixels);
        if (shape == whole) {
          reduced = pixels;
        } else {
          reduction.reduce(pixels, working, reduced);
        }
        pipeline.normalise({shape, reduced}, key, expected);
        ASSERT_TRUE(std::ranges::equal(batch->images.subspan(n * shape.bytes(), shape.bytes()), expected)) << i;
      }
    }
    EXPECT_EQ(i, 20U);
  }
}

class LoaderSizesPolicy : public testing::TestWithParam<MixOptions> {};

TEST_P(LoaderSizesPolicy, AreTheSameForAnyThreadsPrefetchAndStart) {
  const Numbered dataset(61);
  std::vector<BatchCopy> expected;
  for (const int threads : {1, 4}) {
    for (const int prefetch : {1, 4, 20}) {  // 20: over both borders at once
      ThreadPool pool(threads);
      LoaderOptions options = sized_options();
      options.mix = GetParam();
      options.prefetch = prefetch;
      Loader loader(dataset, options, pool);
      const std::vector<BatchCopy> stream = epochs(loader, 0, 4);
      if (expected.empty()) expected = stream;
      EXPECT_TRUE(stream == expected) << threads << " threads, " << prefetch << " batches ahead";
    }
  }
  ThreadPool pool(2);
  LoaderOptions options = sized_options();
  options.mix = GetParam();
  Loader loader(dataset, options, pool);
  for (const std::int64_t first : {7, 8, 9, 15, 16, 17, 23, 24, 25}) {  // of 8 batches an epoch
    loader.start(first / 8, first % 8);
    const std::vector<BatchCopy> rest = rest_of_epoch(loader);
    ASSERT_EQ(rest.size(), static_cast<std::size_t>(8 - first % 8)) << first;
    EXPECT_TRUE(std::ranges::equal(rest, std::span(expected).subspan(static_cast<std::size_t>(first), rest.size())))
        << first;
  }
}

TEST_P(LoaderSizesPolicy, AreSharedByRanks) {
  const Numbered dataset(50);
  ThreadPool pool(2);
  LoaderOptions options = sized_options();
  options.mix = GetParam();
  Loader alone(dataset, options, pool);
  const std::vector<BatchCopy> expected = epochs(alone, 1, 2);
  for (int rank = 0; rank < 2; ++rank) {
    options.rank = rank;
    options.ranks = 2;
    Loader loader(dataset, options, pool);
    const std::vector<BatchCopy> parts = epochs(loader, 1, 2);
    ASSERT_EQ(parts.size(), expected.size());
    for (std::size_t b = 0; b < parts.size(); ++b) {
      const std::size_t elements = expected[b].images.size() / expected[b].labels.size();
      ASSERT_EQ(parts[b].images.size(), parts[b].labels.size() * elements);
      for (std::size_t n = 0; n < parts[b].labels.size(); ++n) {
        const std::size_t place = n + (rank == 0 ? 0 : expected[b].labels.size() - parts[b].labels.size());
        ASSERT_TRUE(std::ranges::equal(std::span(parts[b].images).subspan(n * elements, elements),
                                       std::span(expected[b].images).subspan(place * elements, elements)));
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Policies, LoaderSizesPolicy,
                         testing::Values(MixOptions{}, MixOptions{.mixup = 1.0F, .cutmix = 1.0F},
                                         MixOptions{.mixup = 1.0F, .cutmix = 1.0F, .variant = MixVariant::timm}));

TEST(LoaderSizes, AreRefusedUnlessTheyFollowEachOtherAndFit) {
  const Numbered dataset(20);
  ThreadPool pool(1);
  const auto refusal = [&](std::vector<ImageSizeStretch> sizes) {
    LoaderOptions options = training_options();
    options.image_sizes = std::move(sizes);
    const Error error = error_of([&] { Loader(dataset, options, pool); });
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    return std::string(error.what());
  };
  EXPECT_EQ(refusal({{7, 0, 1}}), "images reduced to 7 pixels: expected 1 to 6, those of the data set");
  EXPECT_EQ(refusal({{0, 0, 1}}), "images reduced to 0 pixels: expected 1 to 6, those of the data set");
  for (const std::vector<ImageSizeStretch>& sizes :
       {std::vector<ImageSizeStretch>{{3, 1, 2}}, {{3, 0, 2}, {6, 3, 4}}, {{3, 0, 0}}})
    EXPECT_NE(refusal(sizes).find("expected each stretch to begin where the one before it ends"), std::string::npos);
}

}  // namespace
}  // namespace convmixer
