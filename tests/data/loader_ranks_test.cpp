// Several processes share every batch.
#include "convmixer/core/error.hpp"
#include "data/loader_fixture.hpp"
#include "support/error_of.hpp"

#include <gmock/gmock.h>

#include <cstdlib>
#include <initializer_list>
#include <utility>

namespace convmixer {
namespace {

using testing::HasSubstr;
using testing_support::error_of;

LoaderOptions part_of(LoaderOptions options, int rank, int ranks) {
  options.rank = rank;
  options.ranks = ranks;
  return options;
}

template <typename T>
void append(std::vector<T>& to, const std::vector<T>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

/// One rank's share after the other.
BatchCopy put_together(const std::vector<BatchCopy>& shares) {
  BatchCopy whole;
  for (const BatchCopy& share : shares) {
    append(whole.labels, share.labels);
    append(whole.images, share.images);
    append(whole.targets, share.targets);
  }
  return whole;
}

struct Policy {
  std::string name;
  MixOptions mix;
};

class LoaderRanks : public testing::TestWithParam<Policy> {
 protected:
  [[nodiscard]] static LoaderOptions options() {
    LoaderOptions result = training_options();
    result.batch_size = 24;
    result.mix = GetParam().mix;
    return result;
  }
};

TEST_P(LoaderRanks, HaveTheBatchesOfOneProcessForAnyNumberOfThemAndOfThreads) {
  const Numbered dataset(24 * 2 + 7);
  ThreadPool alone(1);
  Loader loader(dataset, options(), alone);
  const std::vector<BatchCopy> expected = epochs(loader, 0, 2);
  ASSERT_EQ(expected.size(), 6U);
  for (const int threads : {1, 2, 8}) {
    for (const int ranks : {1, 2, 3, 8}) {
      SCOPED_TRACE(fmt::format("{} threads, {} ranks", threads, ranks));
      ThreadPool pool(threads);
      std::vector<std::vector<BatchCopy>> streams;
      for (int rank = 0; rank < ranks; ++rank) {
        Loader part(dataset, part_of(options(), rank, ranks), pool);
        streams.push_back(epochs(part, 0, 2));
        ASSERT_EQ(streams.back().size(), expected.size());
      }
      for (std::size_t batch = 0; batch < expected.size(); ++batch) {
        std::vector<BatchCopy> parts;
        for (const auto& stream : streams) parts.push_back(stream[batch]);
        EXPECT_TRUE(put_together(parts) == expected[batch]) << "batch " << batch;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Policies, LoaderRanks,
                         testing::Values(Policy{"plain", {}}, Policy{"mixup", {.mixup = 1.0F}},
                                         Policy{"cutmix", {.cutmix = 1.0F}},
                                         Policy{"timm", {.mixup = 0.5F, .cutmix = 0.5F, .variant = MixVariant::timm}}),
                         [](const auto& instance) { return instance.param.name; });

TEST(LoaderRanks, PartitionTheEpochWithBatchesOfEqualNumberAndNearlyEqualSize) {
  for (const std::int64_t size : {std::int64_t{48}, std::int64_t{49}, std::int64_t{60}, std::int64_t{71}}) {
    const Numbered dataset(size);
    ThreadPool pool(2);
    for (const int ranks : {2, 4}) {
      std::vector<std::int32_t> seen;
      for (int rank = 0; rank < ranks; ++rank) {
        LoaderOptions options = part_of(training_options(), rank, ranks);
        options.batch_size = 16;
        Loader loader(dataset, options, pool);
        loader.start(0);
        std::int64_t batches = 0;
        std::int64_t images_of_all_ranks = 0;
        while (const Batch* batch = loader.next()) {
          EXPECT_LT(std::abs(batch->size - batch->size_of_all_ranks / ranks), 2);
          seen.insert(seen.end(), batch->labels.begin(), batch->labels.end());
          images_of_all_ranks += batch->size_of_all_ranks;
          ++batches;
        }
        EXPECT_EQ(batches, (size + 15) / 16);
        EXPECT_EQ(images_of_all_ranks, size);
      }
      std::ranges::sort(seen);
      ASSERT_EQ(static_cast<std::int64_t>(seen.size()), size) << ranks << " ranks";
      for (std::int64_t i = 0; i < size; ++i) EXPECT_EQ(seen[static_cast<std::size_t>(i)], i);
    }
  }
}

TEST(LoaderRanks, HaveTheirShareOfEachMicroBatch) {
  const Numbered dataset(40);
  ThreadPool pool(1);
  LoaderOptions options = training_options();
  options.batch_size = 40;
  options.micro_batch = 16;  // 14, 13 and 13
  std::vector<std::vector<std::int32_t>> shares;
  Loader alone(dataset, options, pool);
  const std::vector<std::int32_t> all = epochs(alone, 0, 1).front().labels;
  for (int rank = 0; rank < 2; ++rank) {
    Loader loader(dataset, part_of(options, rank, 2), pool);
    shares.push_back(epochs(loader, 0, 1).front().labels);
  }
  const auto labels = [&](std::initializer_list<std::pair<int, int>> places) {
    std::vector<std::int32_t> result;
    for (const auto& [begin, end] : places) result.insert(result.end(), all.begin() + begin, all.begin() + end);
    return result;
  };
  EXPECT_EQ(shares[0], labels({{0, 7}, {14, 20}, {27, 33}}));
  EXPECT_EQ(shares[1], labels({{7, 14}, {20, 27}, {33, 40}}));
}

TEST(LoaderRanks, GiveAnEmptyBatchWhereTheLastOneHasTooFewImages) {
  const Numbered dataset(17);
  ThreadPool pool(1);
  for (const float mixup : {0.0F, 1.0F}) {
    LoaderOptions options = part_of(training_options(), 0, 4);
    options.batch_size = 16;
    options.mix.mixup = mixup;
    Loader loader(dataset, options, pool);
    loader.start(0);
    const Batch* batch = loader.next();
    ASSERT_NE(batch, nullptr);
    EXPECT_EQ(batch->size, 4);
    batch = loader.next();
    ASSERT_NE(batch, nullptr);
    EXPECT_EQ(batch->size, 0);
    EXPECT_EQ(batch->size_of_all_ranks, 1);
    EXPECT_TRUE(batch->images.empty() && batch->labels.empty() && batch->targets.empty());
    EXPECT_EQ(loader.next(), nullptr);
    loader.start(1);
    EXPECT_NE(loader.next(), nullptr);
  }
}

TEST(LoaderRanks, LeaveOutAShortLastBatchTogether) {
  const Numbered dataset(40);
  ThreadPool pool(1);
  for (int rank = 0; rank < 2; ++rank) {
    LoaderOptions options = part_of(training_options(), rank, 2);
    options.batch_size = 16;
    options.drop_last = true;
    Loader loader(dataset, options, pool);
    EXPECT_EQ(loader.batches_per_epoch(), 2);
    for (const BatchCopy& batch : epochs(loader, 0, 2)) EXPECT_EQ(batch.labels.size(), 8U);
  }
}

TEST(LoaderRanks, AreRefusedWhenTheyMakeNoSense) {
  const Numbered dataset(10);
  ThreadPool pool(1);
  const auto message = [&](int rank, int ranks) {
    const Error error = error_of([&] { const Loader loader(dataset, part_of(training_options(), rank, ranks), pool); });
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    return std::string(error.what());
  };
  EXPECT_THAT(message(0, 0), HasSubstr("ranks: found 0"));
  EXPECT_THAT(message(-1, 2), HasSubstr("rank: found -1, expected 0 to 1"));
  EXPECT_THAT(message(2, 2), HasSubstr("rank: found 2, expected 0 to 1"));
}

}  // namespace
}  // namespace convmixer
