// Batches whose images are mixed.
#include "convmixer/core/error.hpp"
#include "data/augment/image_pipeline.hpp"
#include "data/augment/mix.hpp"
#include "data/loader_fixture.hpp"
#include "support/error_of.hpp"

#include <gmock/gmock.h>

#include <limits>

namespace convmixer {
namespace {

using testing::HasSubstr;
using testing_support::error_of;

constexpr std::int64_t kImages = 37;  // batches of 8, the last one of 5
constexpr std::int64_t kBatches = 5;

LoaderOptions mixing_options(const MixOptions& mix) {
  LoaderOptions options = training_options();
  options.augmentation.erasing = {.probability = 0.5F, .fill = ErasingOptions::Fill::noise};
  options.mix = mix;
  return options;
}

ImagePipeline pipeline_of(const LoaderOptions& options) {
  return {options.augmentation, options.normalisation, {3, kImageSize, kImageSize}};
}

/// Image and label of every place of a batch, before mixing.
struct Unmixed {
  std::vector<ImageKey> keys;
  std::vector<std::vector<std::uint8_t>> pixels;
  std::vector<std::int32_t> labels;
};

Unmixed unmixed_batch(const Numbered& dataset, const LoaderOptions& options, std::int64_t epoch, std::int64_t batch) {
  const std::vector<std::uint32_t> order = epoch_order(dataset.size(), options.seed, epoch);
  const ImagePipeline pipeline = pipeline_of(options);
  std::vector<std::uint8_t> working(pipeline.working_bytes());
  Unmixed result;
  for (std::int64_t i = batch * options.batch_size; i < std::min((batch + 1) * options.batch_size, dataset.size());
       ++i) {
    const std::uint32_t index = order[static_cast<std::size_t>(i)];
    result.keys.push_back({options.seed, static_cast<std::uint32_t>(epoch), index});
    result.pixels.emplace_back(kImageBytes);
    pipeline.augment(dataset.image(index), result.keys.back(), working, result.pixels.back());
    result.labels.push_back(static_cast<std::int32_t>(index));
  }
  return result;
}

/// The batch by the definitions, one image after the other: timm erases the mixed image, torchvision mixes erased ones.
BatchCopy plain_batch(const Unmixed& unmixed, const LoaderOptions& options, std::int64_t epoch, std::int64_t batch) {
  Rng rng(options.seed, RandomStream::mixing, static_cast<std::uint32_t>(epoch), static_cast<std::uint32_t>(batch));
  const MixDraw draw = draw_mix(options.mix, kImageSize, rng);
  const ImagePipeline pipeline = pipeline_of(options);
  BatchCopy result;
  const std::size_t size = unmixed.labels.size();
  for (std::size_t n = 0; n < size; ++n) {
    const bool timm = options.mix.variant == MixVariant::timm;
    const std::size_t other = timm ? size - 1 - n : (n + size - 1) % size;
    std::vector<float> own(kImageBytes);
    if (timm) {
      std::vector<std::uint8_t> mixed(kImageBytes);
      mix_pixels(draw, kImageSize, unmixed.pixels[n], unmixed.pixels[other], mixed);
      pipeline.normalise(mixed, unmixed.keys[n], own);
    } else {
      std::vector<float> partner(kImageBytes);
      pipeline.normalise(unmixed.pixels[n], unmixed.keys[n], own);
      pipeline.normalise(unmixed.pixels[other], unmixed.keys[other], partner);
      mix_values(draw, kImageSize, own, partner);
    }
    result.images.insert(result.images.end(), own.begin(), own.end());
    std::vector<float> target(static_cast<std::size_t>(kImages));
    result.labels.push_back(mix_targets(draw, unmixed.labels[n], unmixed.labels[other], target));
    result.targets.insert(result.targets.end(), target.begin(), target.end());
  }
  return result;
}

class LoaderMix : public testing::TestWithParam<MixVariant> {};

TEST_P(LoaderMix, GivesWhatTheDefinitionsSayForAnyNumberOfThreads) {
  const Numbered dataset(kImages);
  const LoaderOptions options =
      mixing_options({.mixup = 1.0F, .cutmix = 1.0F, .probability = 0.8F, .variant = GetParam()});
  for (const int threads : {1, 2, 8}) {
    ThreadPool pool(threads);
    Loader loader(dataset, options, pool);
    const std::vector<BatchCopy> batches = epochs(loader, 0, 4);
    ASSERT_EQ(batches.size(), 4U * kBatches);
    for (std::int64_t at = 0; at < 4 * kBatches; ++at) {
      const std::int64_t epoch = at / kBatches;
      const Unmixed unmixed = unmixed_batch(dataset, options, epoch, at % kBatches);
      EXPECT_TRUE(batches[static_cast<std::size_t>(at)] == plain_batch(unmixed, options, epoch, at % kBatches)) << at;
    }
  }
}

TEST_P(LoaderMix, StartsAtAnyBatchWithTheSameMix) {
  const Numbered dataset(kImages);
  const LoaderOptions options = mixing_options({.mixup = 0.5F, .cutmix = 0.5F, .variant = GetParam()});
  ThreadPool pool(2);
  Loader whole(dataset, options, pool);
  const std::vector<BatchCopy> expected = epochs(whole, 3, 1);
  for (std::int64_t first = 0; first < kBatches; ++first) {
    Loader loader(dataset, options, pool);
    loader.start(3, first);
    EXPECT_TRUE(std::ranges::equal(rest_of_epoch(loader), std::span(expected).subspan(static_cast<std::size_t>(first))))
        << first;
  }
}

TEST_P(LoaderMix, GivesTargetsThatAddUpToOne) {
  const Numbered dataset(kImages);
  ThreadPool pool(2);
  Loader loader(dataset, mixing_options({.mixup = 0.2F, .cutmix = 1.0F, .variant = GetParam()}), pool);
  for (const BatchCopy& batch : epochs(loader, 0, 20)) {
    for (std::size_t n = 0; n < batch.labels.size(); ++n) {
      const auto target = std::span(batch.targets).subspan(n * kImages, kImages);
      float sum = 0.0F;
      for (const float part : target) {
        ASSERT_GE(part, 0.0F);
        sum += part;
      }
      ASSERT_NEAR(sum, 1.0F, 1e-6F);
      ASSERT_EQ(target[static_cast<std::size_t>(batch.labels[n])], *std::ranges::max_element(target));
    }
  }
}

TEST_P(LoaderMix, RethrowsWhatATaskThrewAndGoesOnBehindIt) {
  Numbered dataset(32);
  dataset.broken = 12;
  LoaderOptions options = mixing_options({.mixup = 1.0F, .variant = GetParam()});
  options.shuffle = false;
  ThreadPool pool(2);
  Loader loader(dataset, options, pool);
  loader.start(0);
  ASSERT_NE(loader.next(), nullptr);
  EXPECT_THROW(loader.next(), std::runtime_error);
  EXPECT_NE(loader.next(), nullptr);
  EXPECT_NE(loader.next(), nullptr);
  EXPECT_EQ(loader.next(), nullptr);
}

TEST_P(LoaderMix, MayBeDestroyedWhileTasksRun) {
  Numbered dataset(400);
  dataset.delay = std::chrono::microseconds(20);
  ThreadPool pool(2);
  LoaderOptions options = mixing_options({.mixup = 1.0F, .variant = GetParam()});
  options.batch_size = 40;
  options.prefetch = 4;
  for (int taken = 0; taken < 20; ++taken) {
    Loader loader(dataset, options, pool);
    loader.start(0);
    for (int i = 0; i < taken % 4; ++i) ASSERT_NE(loader.next(), nullptr);
  }
}

INSTANTIATE_TEST_SUITE_P(Variants, LoaderMix, testing::Values(MixVariant::torchvision, MixVariant::timm),
                         [](const auto& instance) {
                           return std::string(instance.param == MixVariant::timm ? "timm" : "torchvision");
                         });

TEST(LoaderWithoutMixing, GivesLabelsAlone) {
  const Numbered dataset(kImages);
  ThreadPool pool(2);
  Loader loader(dataset, training_options(), pool);
  loader.start(0);
  while (const Batch* batch = loader.next()) {
    EXPECT_TRUE(batch->targets.empty());
    EXPECT_EQ(batch->size_of_all_ranks, batch->size);
  }
}

TEST(LoaderMix, LeavesImagesAsTheyAreAndTargetsWholeInABatchThatIsNotMixed) {
  const Numbered dataset(kImages);
  ThreadPool pool(2);
  Loader plain(dataset, mixing_options({}), pool);
  Loader mixing(dataset, mixing_options({.mixup = 1.0F, .probability = 0.0F}), pool);
  const std::vector<BatchCopy> expected = epochs(plain, 0, 1);
  const std::vector<BatchCopy> batches = epochs(mixing, 0, 1);
  ASSERT_EQ(batches.size(), expected.size());
  for (std::size_t i = 0; i < batches.size(); ++i) {
    EXPECT_EQ(batches[i].images, expected[i].images);
    EXPECT_EQ(batches[i].labels, expected[i].labels);
    for (std::size_t n = 0; n < batches[i].labels.size(); ++n)
      EXPECT_EQ(batches[i].targets[n * kImages + static_cast<std::size_t>(batches[i].labels[n])], 1.0F);
  }
}

TEST(LoaderMix, RefusesOptionsThatMakeNoSense) {
  const Numbered dataset(10);
  ThreadPool pool(1);
  const auto message = [&](const MixOptions& mix) {
    const Error error = error_of([&] { const Loader loader(dataset, mixing_options(mix), pool); });
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    return std::string(error.what());
  };
  EXPECT_THAT(message({.mixup = -1.0F}), HasSubstr("mixup: found -1"));
  EXPECT_THAT(message({.cutmix = 2000.0F}), HasSubstr("cutmix: found 2000"));
  EXPECT_THAT(message({.cutmix = std::numeric_limits<float>::quiet_NaN()}), HasSubstr("cutmix: found nan"));
  EXPECT_THAT(message({.mixup = 1.0F, .probability = 1.5F}), HasSubstr("probability of mixing: found 1.5"));
  EXPECT_THAT(message({.mixup = 1.0F, .switch_probability = -0.5F}), HasSubstr("probability of cutmix: found -0.5"));
}

TEST(LoaderStatistics, CountImagesTimeAndWaiting) {
  Numbered dataset(64);
  ThreadPool pool(2);
  LoaderOptions options = training_options();
  options.prefetch = 1;
  Loader loader(dataset, options, pool);
  EXPECT_EQ(loader.statistics().images, 0);
  EXPECT_EQ(loader.statistics().images_per_second(), 0.0);
  dataset.delay = std::chrono::milliseconds(1);
  (void)epochs(loader, 0, 1);
  wait_until_reads(dataset, 64 + 2 * 8);  // two batches of the next epoch
  const LoaderStatistics statistics = loader.statistics();
  EXPECT_GE(statistics.images, 64);
  EXPECT_LE(statistics.images, 64 + 2 * 8);
  EXPECT_GT(statistics.cpu_seconds, 0.0);
  EXPECT_LT(statistics.cpu_seconds, 0.08) << "sleeping is no computing";
  EXPECT_GT(statistics.seconds_waited, 0.02);
  EXPECT_GT(statistics.images_per_second(), 64 / 0.08);
  loader.start(1);
  EXPECT_EQ(loader.seconds_waited(), 0.0);
  EXPECT_EQ(loader.statistics().seconds_waited, statistics.seconds_waited) << "counts on";
}

}  // namespace
}  // namespace convmixer
