// A loader in steady state asks the allocator for nothing.
#include "data/loader_fixture.hpp"
#include "support/counted_allocations.hpp"

namespace convmixer {
namespace {

using testing_support::counted_allocations;

class LoaderSteadyState : public testing::TestWithParam<MixOptions> {};

TEST_P(LoaderSteadyState, AllocatesNothing) {
  const Numbered dataset(100);
  ThreadPool pool(2);
  for (const int ranks : {1, 2}) {
    LoaderOptions options = training_options();
    options.batch_size = 40;  // and a short last one
    options.ranks = ranks;
    options.mix = GetParam();
    Loader loader(dataset, options, pool);
    std::int64_t images = 0;
    const auto run = [&](std::int64_t epoch) {
      loader.start(epoch);
      while (const Batch* batch = loader.next()) images += batch->size;
    };
    run(0);
    run(1);
    const std::int64_t before = counted_allocations();
    for (std::int64_t epoch = 2; epoch < 8; ++epoch) run(epoch);
    EXPECT_EQ(counted_allocations() - before, 0) << ranks << " ranks";
    EXPECT_EQ(images, 8 * 100 / ranks);
  }
}

INSTANTIATE_TEST_SUITE_P(Policies, LoaderSteadyState,
                         testing::Values(MixOptions{}, MixOptions{.mixup = 1.0F, .cutmix = 1.0F},
                                         MixOptions{.mixup = 1.0F, .cutmix = 1.0F, .variant = MixVariant::timm}));

TEST(LoaderSteadyState, AllocatesNothingWithEveryAugmentation) {
  const Numbered dataset(100);
  ThreadPool pool(2);
  for (const bool is_timm : {false, true}) {
    LoaderOptions options = training_options();
    options.augmentation = {.horizontal_flip = true,
                            .resized_crop = {.scale_low = 0.2F, .scale_high = 1.0F},
                            .jitter = {0.4F, 0.4F, 0.4F},
                            .erasing = {.probability = 0.5F, .fill = ErasingOptions::Fill::noise},
                            .cutout = 2};
    if (is_timm) {
      options.augmentation.timm_augment = parse_timm_augment("rand-m9-mstd0.5-inc1").value();
    } else {
      options.augmentation.rand_augment = {.operations = 3, .magnitude = 12};
    }
    Loader loader(dataset, options, pool);
    const auto run = [&](std::int64_t epoch) {
      loader.start(epoch);
      while (loader.next() != nullptr) {
      }
    };
    run(0);
    run(1);
    const std::int64_t before = counted_allocations();
    for (std::int64_t epoch = 2; epoch < 8; ++epoch) run(epoch);
    EXPECT_EQ(counted_allocations() - before, 0) << (is_timm ? "timm's" : "torchvision's");
  }
}

TEST(LoaderSteadyState, AllocatesNothingWhenTheSizeOfImagesChanges) {
  const Numbered dataset(100);
  ThreadPool pool(2);
  LoaderOptions options = training_options();
  options.image_sizes = {{3, 0, 4}, {5, 4, 6}, {kImageSize, 6, 8}};
  Loader loader(dataset, options, pool);
  const auto run = [&](std::int64_t epoch) {
    loader.start(epoch);
    while (loader.next() != nullptr) {
    }
  };
  run(0);
  run(1);
  const std::int64_t before = counted_allocations();
  for (std::int64_t epoch = 2; epoch < 8; ++epoch) run(epoch);
  EXPECT_EQ(counted_allocations() - before, 0);
}

TEST(LoaderSteadyState, IsMeasuredWithACounterThatCounts) {
  const std::int64_t before = counted_allocations();
  const Numbered dataset(10);
  EXPECT_GT(counted_allocations(), before);
}

}  // namespace
}  // namespace convmixer
