#include "convmixer/data/loader.hpp"

#include "convmixer/core/error.hpp"
#include "data/augment/image_pipeline.hpp"
#include "data/loader_fixture.hpp"
#include "support/error_of.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <limits>
#include <map>
#include <numeric>
#include <set>
#include <stdexcept>
#include <thread>

namespace convmixer {
namespace {

using testing::HasSubstr;
using testing_support::error_of;

TEST(Loader, StreamIsTheSameForAnyNumberOfThreadsAndPrefetchedBatches) {
  const Numbered dataset(61);
  std::vector<BatchCopy> expected;
  for (const int threads : {1, 2, 4}) {
    for (const int prefetch : {1, 4, 20}) {
      ThreadPool pool(threads);
      LoaderOptions options = training_options();
      options.prefetch = prefetch;
      Loader loader(dataset, options, pool);
      const std::vector<BatchCopy> stream = epochs(loader, 0, 2);
      if (expected.empty()) expected = stream;
      EXPECT_TRUE(stream == expected) << threads << " threads, " << prefetch << " batches ahead";
    }
  }
}

TEST(Loader, BatchesHoldWhatTheirImagesDrawSayBySeedEpochAndIndex) {
  const Numbered dataset(20);
  ThreadPool pool(2);
  const LoaderOptions options = training_options();
  Loader loader(dataset, options, pool);
  loader.start(3);
  const std::vector<std::uint32_t> order = epoch_order(20, options.seed, 3);
  const ImagePipeline pipeline(options.augmentation, options.normalisation, {3, kImageSize, kImageSize});
  std::vector<std::uint8_t> working(pipeline.working_bytes());
  std::vector<std::uint8_t> pixels(kImageBytes);
  std::vector<float> expected(kImageBytes);
  std::size_t i = 0;
  for (const BatchCopy& batch : rest_of_epoch(loader)) {
    for (std::size_t n = 0; n < batch.labels.size(); ++n, ++i) {
      ASSERT_EQ(batch.labels[n], static_cast<std::int32_t>(order[i]));
      const ImageKey key{options.seed, 3, order[i]};
      pipeline.augment(dataset.image(order[i]), key, working, pixels);
      pipeline.normalise(pixels, key, expected);
      ASSERT_TRUE(std::ranges::equal(std::span(batch.images).subspan(n * kImageBytes, kImageBytes), expected)) << i;
    }
  }
  EXPECT_EQ(i, 20U);
}

TEST(Loader, EveryImageComesOncePerEpoch) {
  const Numbered dataset(53);
  ThreadPool pool(2);
  Loader loader(dataset, training_options(), pool);
  std::vector<std::int32_t> all(53);
  std::iota(all.begin(), all.end(), 0);
  std::set<std::vector<std::int32_t>> orders;
  for (std::int64_t epoch = 0; epoch < 4; ++epoch) {
    std::vector<std::int32_t> labels = labels_of(epochs(loader, epoch, 1));
    orders.insert(labels);
    std::ranges::sort(labels);
    EXPECT_EQ(labels, all);
  }
  EXPECT_EQ(orders.size(), 4U) << "each epoch has an order of its own";
}

TEST(Loader, WithoutShuffleKeepsTheOrderOfTheDataSet) {
  const Numbered dataset(53);
  ThreadPool pool(2);
  Loader loader(dataset, plain_options(), pool);
  std::vector<std::int32_t> all(53);
  std::iota(all.begin(), all.end(), 0);
  EXPECT_EQ(labels_of(epochs(loader, 0, 1)), all);
  EXPECT_EQ(labels_of(epochs(loader, 1, 1)), all);
}

TEST(Loader, KeepsTheShortLastBatchOrDropsIt) {
  const Numbered dataset(21);
  ThreadPool pool(2);
  LoaderOptions options = training_options();
  {
    Loader loader(dataset, options, pool);
    EXPECT_EQ(loader.batches_per_epoch(), 3);
    const std::vector<BatchCopy> batches = epochs(loader, 0, 1);
    ASSERT_EQ(batches.size(), 3U);
    EXPECT_EQ(batches[1].labels.size(), 8U);
    EXPECT_EQ(batches[2].labels.size(), 5U);
    EXPECT_EQ(batches[2].images.size(), 5 * kImageBytes);
  }
  options.drop_last = true;
  Loader loader(dataset, options, pool);
  EXPECT_EQ(loader.batches_per_epoch(), 2);
  const std::vector<BatchCopy> batches = epochs(loader, 0, 2);
  ASSERT_EQ(batches.size(), 4U);
  for (const BatchCopy& batch : batches) EXPECT_EQ(batch.labels.size(), 8U);
}

TEST(Loader, ABatchMayBeLargerThanTheDataSet) {
  const Numbered dataset(5);
  ThreadPool pool(2);
  LoaderOptions options = training_options();
  options.batch_size = std::numeric_limits<std::int64_t>::max();
  Loader loader(dataset, options, pool);
  EXPECT_EQ(loader.batches_per_epoch(), 1);
  const std::vector<BatchCopy> batches = epochs(loader, 0, 3);
  ASSERT_EQ(batches.size(), 3U);
  EXPECT_EQ(batches[2].labels.size(), 5U);
}

TEST(Loader, StartedWithinAnEpochGivesItsRemainingBatches) {
  const Numbered dataset(61);
  ThreadPool pool(2);
  Loader whole(dataset, training_options(), pool);
  const std::vector<BatchCopy> expected = epochs(whole, 5, 2);
  for (std::int64_t first = 0; first <= whole.batches_per_epoch(); ++first) {
    Loader loader(dataset, training_options(), pool);
    loader.start(5, first);
    std::vector<BatchCopy> stream = rest_of_epoch(loader);
    EXPECT_EQ(static_cast<std::int64_t>(stream.size()), loader.batches_per_epoch() - first);
    std::ranges::move(epochs(loader, 6, 1), std::back_inserter(stream));
    EXPECT_TRUE(std::ranges::equal(stream, std::span(expected).subspan(static_cast<std::size_t>(first)))) << first;
  }
}

TEST(Loader, JumpsToAnyPositionAtAnyTime) {
  const Numbered dataset(61);
  ThreadPool pool(2);
  Loader loader(dataset, training_options(), pool);
  const std::vector<BatchCopy> expected = epochs(loader, 0, 1);
  for (int taken = 0; taken < 4; ++taken) {
    loader.start(7);
    for (int i = 0; i < taken; ++i) ASSERT_NE(loader.next(), nullptr);
    loader.start(0, 2);
    EXPECT_TRUE(std::ranges::equal(rest_of_epoch(loader), std::span(expected).subspan(2))) << taken;
    loader.start(0, 0);
    EXPECT_TRUE(rest_of_epoch(loader) == expected) << taken;
  }
}

TEST(Loader, PreparesTheNextEpochsFirstBatchesAheadOfItsStart) {
  Numbered dataset(16);
  ThreadPool pool(2);
  LoaderOptions options = training_options();
  options.prefetch = 3;
  Loader loader(dataset, options, pool);
  loader.start(0);
  (void)rest_of_epoch(loader);
  // Two batches of this epoch; with none borrowed the ring holds prefetch + 1 = 4 more.
  wait_until_reads(dataset, 6 * 8);
  loader.start(1);
  ASSERT_NE(loader.next(), nullptr);
  wait_until_reads(dataset, 6 * 8);
  EXPECT_EQ(dataset.reads.load(), 6 * 8) << "nothing was dropped and prepared again, and no more than fits was read";
}

TEST(Loader, NeverPreparesMoreThanItsBoundAhead) {
  const Numbered dataset(400);
  ThreadPool pool(4);
  LoaderOptions options = training_options();
  options.prefetch = 2;
  Loader loader(dataset, options, pool);
  loader.start(0);
  for (int taken = 1; taken <= 20; ++taken) {
    ASSERT_NE(loader.next(), nullptr);
    wait_until_reads(dataset, (taken + 2) * 8);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    ASSERT_EQ(dataset.reads.load(), (taken + 2) * 8);
  }
}

TEST(Loader, GivesNoBatchBeforeTheFirstStartAndAfterTheEnd) {
  const Numbered dataset(16);
  ThreadPool pool(2);
  Loader loader(dataset, training_options(), pool);
  EXPECT_EQ(loader.next(), nullptr);
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_EQ(dataset.reads.load(), 0);
  loader.start(0);
  (void)rest_of_epoch(loader);
  EXPECT_EQ(loader.next(), nullptr);
  EXPECT_EQ(loader.next(), nullptr);
}

TEST(Loader, ABorrowedBatchIsUntouchedWhileOthersArePrepared) {
  const Numbered dataset(400);
  ThreadPool pool(4);
  LoaderOptions options = training_options();
  options.prefetch = 1;
  Loader loader(dataset, options, pool);
  loader.start(0);
  for (int i = 0; i < 50; ++i) {
    const Batch* batch = loader.next();
    ASSERT_NE(batch, nullptr);
    const std::vector<float> before(batch->images.begin(), batch->images.end());
    wait_until_reads(dataset, (i + 2) * 8);
    EXPECT_TRUE(std::ranges::equal(before, batch->images));
  }
}

TEST(Loader, RethrowsWhatATaskThrewAndGoesOnBehindIt) {
  Numbered dataset(32);
  dataset.broken = 12;
  ThreadPool pool(2);
  Loader loader(dataset, plain_options(), pool);
  loader.start(0);
  ASSERT_NE(loader.next(), nullptr);
  EXPECT_THROW(loader.next(), std::runtime_error);
  const Batch* batch = loader.next();
  ASSERT_NE(batch, nullptr);
  EXPECT_EQ(batch->labels[0], 16);
  loader.start(0, 1);
  EXPECT_THROW(loader.next(), std::runtime_error) << "the position is prepared anew";
}

TEST(Loader, MayBeDestroyedWhileTasksRun) {
  Numbered dataset(400);
  dataset.delay = std::chrono::microseconds(20);
  ThreadPool pool(2);
  LoaderOptions options = training_options();
  options.prefetch = 16;
  for (int taken = 0; taken < 20; ++taken) {
    Loader loader(dataset, options, pool);
    loader.start(0);
    for (int i = 0; i < taken % 4; ++i) ASSERT_NE(loader.next(), nullptr);
  }
}

TEST(Loader, PreparesBatchesItselfWhileNoWorkerIsFree) {
  constexpr std::chrono::seconds kPatience(60);
  const Numbered dataset(400);
  for (const int threads : {1, 2}) {
    std::promise<void> begun;
    std::promise<void> end;
    std::promise<bool> in_time;
    ThreadPool pool(threads);
    Loader loader(dataset, training_options(), pool);
    pool.enqueue([&] {  // the only worker beside this thread
      begun.set_value();
      in_time.set_value(end.get_future().wait_for(kPatience) == std::future_status::ready);
    });
    begun.get_future().wait();
    loader.start(0);
    EXPECT_EQ(rest_of_epoch(loader).size(), 50U);
    end.set_value();
    EXPECT_TRUE(in_time.get_future().get());
  }
}

TEST(Loader, CountsTheSecondsItWaitsSinceStart) {
  Numbered dataset(8);
  dataset.delay = std::chrono::milliseconds(10);
  ThreadPool pool(1);
  LoaderOptions options = plain_options();
  options.prefetch = 1;
  Loader loader(dataset, options, pool);
  loader.start(0);
  ASSERT_NE(loader.next(), nullptr);
  EXPECT_GT(loader.seconds_waited(), 0.02) << "eight images of ten milliseconds each, and nothing done meanwhile";
  EXPECT_EQ(loader.next(), nullptr);
  loader.start(1);
  EXPECT_EQ(loader.seconds_waited(), 0.0);
}

TEST(Loader, RefusesOptionsThatMakeNoSense) {
  const Numbered dataset(10);
  ThreadPool pool(1);
  const auto message = [&](auto change) {
    LoaderOptions options = training_options();
    change(options);
    const Error error = error_of([&] { const Loader loader(dataset, options, pool); });
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    return std::string(error.what());
  };
  EXPECT_THAT(message([](LoaderOptions& o) { o.batch_size = 0; }), HasSubstr("batch size: found 0"));
  EXPECT_THAT(message([](LoaderOptions& o) { o.prefetch = 0; }), HasSubstr("prefetched batches: found 0"));
  EXPECT_THAT(message([](LoaderOptions& o) { o.prefetch = 1'000'000; }), HasSubstr("found 1000000"));
  EXPECT_THAT(message([](LoaderOptions& o) { o.augmentation.pad_crop = -1; }), HasSubstr("pad-crop = -1"));
  EXPECT_THAT(message([](LoaderOptions& o) { o.augmentation.pad_crop = 7; }), HasSubstr("pad-crop = 7"));
  EXPECT_THAT(message([](LoaderOptions& o) {
                o.normalisation = {{0.5F}, {0.5F}};
              }),
              HasSubstr("found 1 mean, expected"));
  EXPECT_THAT(message([](LoaderOptions& o) { o.batch_size = 11, o.drop_last = true; }), HasSubstr("only 10 images"));
}

TEST(Loader, RefusesToStartOutsideOfAnEpoch) {
  const Numbered dataset(20);
  ThreadPool pool(1);
  Loader loader(dataset, training_options(), pool);
  ASSERT_EQ(loader.batches_per_epoch(), 3);
  const auto message = [&](std::int64_t epoch, std::int64_t batch) {
    const Error error = error_of([&] { loader.start(epoch, batch); });
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    return std::string(error.what());
  };
  EXPECT_EQ(message(0, 4), "first batch of an epoch: found 4, expected 0 to its number of batches, 3");
  EXPECT_THAT(message(0, -1), HasSubstr("first batch of an epoch: found -1"));
  EXPECT_THAT(message(-1, 0), HasSubstr("epoch: found -1, expected 0 to 4294967295"));
  EXPECT_THAT(message(std::int64_t{1} << 32, 0), HasSubstr("epoch: found 4294967296"));
  loader.start(0, 3);
  EXPECT_EQ(loader.next(), nullptr);
  loader.start(0, 2);
  EXPECT_NE(loader.next(), nullptr) << "a refused start changes nothing";
}

TEST(Loader, SaysWhatItsBatchesHold) {
  const Numbered dataset(20);
  ThreadPool pool(1);
  const Loader loader(dataset, training_options(), pool);
  EXPECT_EQ(loader.image_shape(), (ImageShape{3, kImageSize, kImageSize}));
  EXPECT_EQ(loader.classes(), 20);
}

TEST(Loader, RefusesLabelsThatAreNoClasses) {
  for (const std::int32_t label : {-1, 20}) {
    Numbered dataset(20);
    dataset.mislabelled = 9;
    dataset.wrong_label = label;
    ThreadPool pool(1);
    LoaderOptions options = plain_options();
    options.mix = {.mixup = 1.0F};  // writes a target for each class
    Loader loader(dataset, options, pool);
    loader.start(0);
    const Error error = error_of([&] { (void)rest_of_epoch(loader); });
    EXPECT_EQ(error.what(), fmt::format("image 9 of the data set: found label {}, expected 0 to 19", label));
  }
}

TEST(EpochOrder, IsAPermutationThatDependsOnSeedAndEpoch) {
  const std::vector<std::uint32_t> order = epoch_order(1'000, 1, 0);
  EXPECT_EQ(order, epoch_order(1'000, 1, 0));
  EXPECT_NE(order, epoch_order(1'000, 2, 0));
  EXPECT_NE(order, epoch_order(1'000, 1, 1));
  std::vector<std::uint32_t> sorted = order;
  std::ranges::sort(sorted);
  for (std::uint32_t i = 0; i < 1'000; ++i) ASSERT_EQ(sorted[i], i);
}

TEST(EpochOrder, IsUniformOverTheOrdersOfThree) {
  std::map<std::vector<std::uint32_t>, int> counts;
  for (std::int64_t epoch = 0; epoch < 6'000; ++epoch) ++counts[epoch_order(3, 9, epoch)];
  EXPECT_EQ(counts.size(), 6U);
  for (const auto& [order, count] : counts) EXPECT_NEAR(count, 1'000, 150);  // five standard deviations
}

}  // namespace
}  // namespace convmixer
