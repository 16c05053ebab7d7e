#include "convmixer/model/norm_statistics.hpp"

#include "convmixer/core/rng.hpp"
#include "convmixer/model/convmixer.hpp"

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
    statistics.add(images);
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
  const std::vector<float> images = images_of(8, std::size_t{3} * 8 * 8, 1);
  for (int i = 0; i < 200; ++i) network.move_statistics(images);  // 0.9^200 is below 1e-9
  const std::vector<float> expected = statistics_of(network);
  for (StatisticId id = 0; id < static_cast<StatisticId>(network.graph().statistics().size()); ++id)
    std::ranges::fill(network.parameters().statistic(id), 3.0F);
  NormStatistics statistics(network);
  statistics.add(images);
  statistics.finish();
  const std::vector<float> found = statistics_of(network);
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-5) << i;
}

TEST_F(NormStatisticsTest, StayAsTheyWereUnlessFinished) {
  Network network = convmixer_network();
  const std::vector<float> images = images_of(8, std::size_t{3} * 8 * 8, 1);
  network.move_statistics(images);
  const std::vector<float> before = statistics_of(network);
  {
    NormStatistics statistics(network);
    statistics.add(images);
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
  statistics.add(images_of(8, std::size_t{3} * 8 * 8, 1));
  statistics.finish();
  const std::vector<float> found = statistics_of(network);
  ASSERT_TRUE(network.graph().statistics()[1].name.starts_with("stem.2"));
  EXPECT_TRUE(std::equal(found.begin(), found.begin() + 32, before.begin()));
  EXPECT_NE(found, before);
}

}  // namespace
}  // namespace convmixer
