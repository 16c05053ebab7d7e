#include "convmixer/model/norm_statistics.hpp"

#include "convmixer/core/rng.hpp"
#include "convmixer/model/convmixer.hpp"
#include "core/batch_chunks.hpp"
#include "support/error_of.hpp"
#include "support/thread_ranks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace convmixer {
namespace {

std::vector<float> images_of(std::size_t count, std::size_t size, std::uint32_t stream) {
  Rng rng(7, RandomStream::synthetic_data, stream);
  std::vector<float> images(count * size);
  std::ranges::generate(images, [&] { return rng.normal() + 0.5F * static_cast<float>(stream); });
  return images;
}

/// Every statistic, one after the other.
std::vector<float> statistics_of(const Network& network) {
  std::vector<float> all;
  for (StatisticId id = 0; id < static_cast<StatisticId>(network.graph().statistics().size()); ++id) {
    const auto values = network.parameters().statistic(id);
    all.insert(all.end(), values.begin(), values.end());
  }
  return all;
}

/// A norm that sees the images as they are.
Network norm_network(Engine& engine) {
  Graph graph(3, 4, 5);
  const TensorId normalised = graph.batch_norm("norm", graph.input(), 1e-5F, 0.3F);
  graph.linear("head", graph.global_average_pool("pool", normalised), 2);
  Network network(std::move(graph), Precision::f32, engine);
  network.parameters().initialise(1);
  return network;
}

class NormStatisticsTest : public testing::Test {
 protected:
  static constexpr std::int64_t kImages = 8;

  [[nodiscard]] Network convmixer_network() {
    Network network(make_convmixer({.dim = 16, .depth = 1, .kernel_size = 3, .patch_size = 2, .image_size = 8}),
                    Precision::f32, engine_);
    network.parameters().initialise(1);
    return network;
  }

  ThreadPool pool_{2};
  Engine engine_{pool_};
};

TEST_F(NormStatisticsTest, AreTheMeansOfEachBatchsMeanAndUnbiasedVariance) {
  constexpr std::size_t kChannels = 3;
  constexpr std::size_t kPixels = 20;
  Network network = norm_network(engine_);
  std::vector<double> expected(2 * kChannels);  // means, then variances
  NormStatistics statistics(network);
  for (const std::uint32_t batch : {0U, 1U}) {
    const std::size_t count = batch == 0 ? 6 : 2;  // each batch counts alike
    const std::vector<float> images = images_of(count, kChannels * kPixels, batch);
    statistics.add(images, static_cast<std::int64_t>(count));
    for (std::size_t c = 0; c < kChannels; ++c) {
      double sum = 0.0;
      double squares = 0.0;
      for (std::size_t i = 0; i < count; ++i) {
        for (std::size_t p = 0; p < kPixels; ++p) {
          const auto value = static_cast<double>(images[(i * kChannels + c) * kPixels + p]);
          sum += value;
          squares += value * value;
        }
      }
      const auto n = static_cast<double>(count * kPixels);
      expected[c] += sum / n / 2.0;
      expected[kChannels + c] += (squares - sum * sum / n) / (n - 1.0) / 2.0;
    }
  }
  statistics.finish();
  const std::vector<float> found = statistics_of(network);
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(static_cast<double>(found[i]), expected[i], 1e-5) << i;
}

TEST_F(NormStatisticsTest, AreWhatRunningStatisticsComeToOnOneBatchForever) {
  Network network = convmixer_network();
  const std::vector<float> images = images_of(kImages, std::size_t{3} * 8 * 8, 1);
  for (int i = 0; i < 200; ++i) network.move_statistics(images, kImages);  // 0.9^200 is below 1e-9
  const std::vector<float> expected = statistics_of(network);
  for (StatisticId id = 0; id < static_cast<StatisticId>(network.graph().statistics().size()); ++id)
    std::ranges::fill(network.parameters().statistic(id), 3.0F);
  NormStatistics statistics(network);
  statistics.add(images, kImages);
  statistics.finish();
  const std::vector<float> found = statistics_of(network);
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-5) << i;
}

TEST_F(NormStatisticsTest, StayAsTheyWereUnlessFinished) {
  Network network = convmixer_network();
  const std::vector<float> images = images_of(kImages, std::size_t{3} * 8 * 8, 1);
  network.move_statistics(images, kImages);
  const std::vector<float> before = statistics_of(network);
  {
    NormStatistics statistics(network);
    statistics.add(images, kImages);
    EXPECT_NE(statistics_of(network), before);
  }
  EXPECT_EQ(statistics_of(network), before);
  NormStatistics(network).finish();  // of no batch
  EXPECT_EQ(statistics_of(network), before);
}

TEST_F(NormStatisticsTest, OfFrozenNormsStay) {
  Graph graph = make_convmixer({.dim = 16, .depth = 1, .kernel_size = 3, .patch_size = 2, .image_size = 8});
  graph.freeze("stem.2");
  Network network(std::move(graph), Precision::f32, engine_);
  network.parameters().initialise(1);
  const std::vector<float> before = statistics_of(network);
  NormStatistics statistics(network);
  statistics.add(images_of(kImages, std::size_t{3} * 8 * 8, 1), kImages);
  statistics.finish();
  const std::vector<float> found = statistics_of(network);
  ASSERT_TRUE(network.graph().statistics()[1].name.starts_with("stem.2"));
  EXPECT_TRUE(std::equal(found.begin(), found.begin() + 32, before.begin()));
  EXPECT_NE(found, before);
}

/// A convolution for norms to come after.
ConvMixerConfig convmixer_of_ranks() {
  return {.dim = 16, .depth = 2, .kernel_size = 3, .patch_size = 2, .image_size = 8};
}

/// The statistics that `ranks` come to on shares of two batches of 48 images, cut into micro-batches.
std::vector<float> of_ranks(int ranks, NormRanks norms, std::int64_t micro_batch) {
  constexpr std::int64_t kBatch = 48;
  constexpr std::size_t kPixels = std::size_t{3} * 8 * 8;
  std::vector<std::vector<float>> found(static_cast<std::size_t>(ranks));
  testing_support::run_ranks(ranks, [&](Communicator& communicator) {
    ThreadPool pool(1);
    Engine engine(pool, &communicator);
    Network network(make_convmixer(convmixer_of_ranks()), Precision::f32, engine);
    network.set_norm_ranks(norms);
    network.set_micro_batch(micro_batch);
    network.parameters().initialise(1);
    NormStatistics statistics(network);
    for (const std::uint32_t batch : {0U, 1U}) {
      const std::vector<float> images = images_of(kBatch, kPixels, batch);
      std::vector<float> share;  // of each micro-batch, one after the other
      const MicroBatches parts = network.micro_batches(kBatch);
      std::size_t first = 0;
      for (std::int64_t part = 0; part < parts.count(); ++part) {
        const BatchChunks own(static_cast<std::size_t>(parts.size(part)), communicator.rank(), ranks);
        const auto* const begin = images.data() + (first + own.first_image()) * kPixels;
        share.insert(share.end(), begin, begin + own.images() * kPixels);
        first += own.images_of_all_ranks();
      }
      statistics.add(share, kBatch);
    }
    statistics.finish();
    found[static_cast<std::size_t>(communicator.rank())] = statistics_of(network);
  });
  for (const std::vector<float>& one : found) EXPECT_EQ(one, found.front());
  return found.front();
}

TEST(NormStatisticsOfRanks, AreThoseOfOneProcess) {
  for (const std::int64_t micro_batch : {0, 24}) {
    const std::vector<float> expected = of_ranks(1, NormRanks::sync, micro_batch);
    EXPECT_EQ(of_ranks(2, NormRanks::sync, micro_batch), expected) << micro_batch;
    EXPECT_EQ(of_ranks(4, NormRanks::sync, micro_batch), expected) << micro_batch;
  }
}

TEST(NormStatisticsOfRanks, WithNormsOfTheirOwnAreTheMeanOfTheirShares) {
  const std::vector<float> whole = of_ranks(1, NormRanks::local, 0);
  const std::vector<float> shares = of_ranks(2, NormRanks::local, 0);
  constexpr std::size_t kChannels = 16;  // the first norm, which sees the same either way: its means are the batch's
  for (std::size_t c = 0; c < kChannels; ++c) EXPECT_NEAR(shares[c], whole[c], 1e-5F) << c;
  EXPECT_NE(shares, whole);
}

TEST(NormStatisticsOfRanks, RefuseWhatIsNoShare) {
  testing_support::run_ranks(2, [&](Communicator& communicator) {
    ThreadPool pool(1);
    Engine engine(pool, &communicator);
    Network network(make_convmixer(convmixer_of_ranks()), Precision::f32, engine);
    network.parameters().initialise(1);
    NormStatistics statistics(network);
    const std::vector<float> images = images_of(16, std::size_t{3} * 8 * 8, 0);
    EXPECT_THAT(testing_support::error_of([&] { statistics.add(images, 16); }).what(),
                testing::HasSubstr("share of a batch: 16 images given, expected 8 of 16, of rank"));
  });
}

}  // namespace
}  // namespace convmixer
