#include "convmixer/core/micro_batches.hpp"

#include "convmixer/core/rng.hpp"
#include "convmixer/model/convmixer.hpp"
#include "convmixer/model/freeze.hpp"
#include "convmixer/model/network.hpp"
#include "support/error_of.hpp"
#include "support/relative_error.hpp"
#include "support/test_engine.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace convmixer {
namespace {

using testing::HasSubstr;
using testing_support::error_of;
using testing_support::relative_error;
using testing_support::test_engine;

std::vector<std::int64_t> sizes(std::int64_t images, std::int64_t largest) {
  const MicroBatches parts(images, largest);
  std::vector<std::int64_t> result;
  for (std::int64_t part = 0; part < parts.count(); ++part) result.push_back(parts.size(part));
  EXPECT_EQ(result.front(), parts.largest());
  EXPECT_EQ(result.back(), parts.smallest());
  return result;
}

TEST(MicroBatches, AreAsFewAndAsEqualAsCanBe) {
  using Sizes = std::vector<std::int64_t>;
  EXPECT_EQ(sizes(100, 33), (Sizes{25, 25, 25, 25})) << "not 33, 33, 33 and 1";
  EXPECT_EQ(sizes(10, 4), (Sizes{4, 3, 3}));
  EXPECT_EQ(sizes(128, 64), (Sizes{64, 64}));
  EXPECT_EQ(sizes(3, 1), (Sizes{1, 1, 1}));
  for (const std::int64_t all : {0, 10, 11, 65536}) EXPECT_EQ(sizes(10, all), Sizes{10}) << all;
}

TEST(MicroBatches, AreDescribed) {
  EXPECT_EQ(describe(MicroBatches(512, 64)), "8 micro-batches of 64");
  EXPECT_EQ(describe(MicroBatches(128, 50)), "3 micro-batches of 42 to 43");
  EXPECT_EQ(describe(MicroBatches(128, 0)), "");
}

constexpr std::int64_t kImages = 10;  // at most 4 at a time are 4, 3 and 3
constexpr std::int64_t kMost = 4;
constexpr int kClasses = 7;
constexpr std::size_t kImage = std::size_t{3} * 8 * 8;

Graph mixer(const std::string& frozen = "") {
  Graph graph = make_convmixer(
      {.dim = 24, .depth = 2, .kernel_size = 3, .patch_size = 2, .image_size = 8, .channels = 3, .classes = kClasses});
  freeze(graph, frozen);
  return graph;
}

Graph without_norms() {
  Graph graph(3, 8, 8);
  const TensorId x = graph.gelu("gelu", graph.convolution("stem", graph.input(), 16, 2, 2, 1, 0, 0));
  graph.linear("head", graph.global_average_pool("pool", x), kClasses);
  return graph;
}

Network network_of(Graph graph, Precision precision = Precision::f32, PlanKind kind = PlanKind::automatic,
                   Engine& engine = test_engine()) {
  Network network(std::move(graph), precision, engine, LayoutPolicy::automatic, kind);
  network.parameters().initialise(1);
  return network;
}

/// Random images; labels, or targets as mixup makes them.
struct Images {
  Images() {
    Rng rng(2, RandomStream::synthetic_data);
    pixels.resize(kImages * kImage);
    std::ranges::generate(pixels, [&] { return rng.normal(); });
    for (int i = 0; i < kImages; ++i) labels.push_back((3 * i) % kClasses);
    soft.resize(kImages * kClasses);
    for (std::size_t i = 0; i < soft.size(); ++i) soft[i] = i % kClasses == i / kClasses % kClasses ? 0.7F : 0.05F;
  }
  [[nodiscard]] std::span<const float> part(std::size_t first, std::size_t count) const {
    return std::span(pixels).subspan(first * kImage, count * kImage);
  }
  [[nodiscard]] Targets targets(std::size_t first = 0, std::size_t count = kImages) const {
    return {std::span(labels).subspan(first, count), std::span(soft).subspan(first * kClasses, count * kClasses), 0.1F};
  }

  std::vector<float> pixels;
  std::vector<std::int32_t> labels;
  std::vector<float> soft;
};

std::vector<float> gradients(const Network& network) {
  std::vector<float> all;
  for (std::size_t id = 0; id < network.graph().parameters().size(); ++id) {
    if (network.graph().parameters()[id].frozen) continue;  // nobody has use for theirs
    std::ranges::copy(network.parameters().gradient(static_cast<ParameterId>(id)), std::back_inserter(all));
  }
  return all;
}
std::vector<float> statistics(const Network& network) {
  std::vector<float> all;
  for (std::size_t id = 0; id < network.graph().statistics().size(); ++id)
    std::ranges::copy(network.parameters().statistic(static_cast<StatisticId>(id)), std::back_inserter(all));
  return all;
}
std::vector<float> copy(std::span<const float> values) { return {values.begin(), values.end()}; }
double difference(const std::vector<float>& actual, const std::vector<float>& expected) {
  return relative_error(std::span(actual), std::span(expected));
}

struct Way {
  std::string name;
  Precision precision = Precision::f32;
  PlanKind kind = PlanKind::automatic;
  std::string frozen = "";
};

class TrainedInMicroBatches : public testing::TestWithParam<Way> {
 protected:
  void SetUp() override {
    if (!Engine::supports(GetParam().precision)) GTEST_SKIP() << "nothing is computed in bf16 on this CPU";
  }
  [[nodiscard]] Network network() const {
    return network_of(mixer(GetParam().frozen), GetParam().precision, GetParam().kind);
  }
  Images images_;
};

TEST_P(TrainedInMicroBatches, DoesWhatTheirPlansDoOneAfterTheOther) {
  Network cut = network();
  cut.set_micro_batch(kMost);
  // Each of them by itself, with its share of the images.
  Network by_hand = network();
  std::vector<float> mean(gradients(by_hand).size());
  std::vector<float> logits;
  BatchResult expected;
  std::size_t first = 0;
  for (const std::size_t count : {4U, 3U, 3U}) {
    expected += by_hand.train_batch(images_.part(first, count), images_.targets(first, count));
    std::ranges::copy(by_hand.logits(), std::back_inserter(logits));
    const std::vector<float> part = gradients(by_hand);
    for (std::size_t i = 0; i < part.size(); ++i) mean[i] += part[i] * static_cast<float>(count) / kImages;
    first += count;
  }
  for (const int time : {1, 2}) {  // with the same weights, the second leaves the same gradients
    const BatchResult result = cut.train_batch(images_.pixels, images_.targets());
    EXPECT_LT(difference(gradients(cut), mean), 1e-6) << time;
    EXPECT_EQ(copy(cut.logits()), logits) << "of all images";
    EXPECT_EQ(result.images, kImages);
    EXPECT_EQ(result.correct, expected.correct);
    EXPECT_EQ(result.correct_top5, expected.correct_top5);
    EXPECT_DOUBLE_EQ(result.loss_sum, expected.loss_sum);
    if (time > 1) continue;
    EXPECT_EQ(statistics(cut), statistics(by_hand)) << "they moved once for each micro-batch";
  }
}

INSTANTIATE_TEST_SUITE_P(Ways, TrainedInMicroBatches,
                         testing::Values(Way{"fused"}, Way{"plain", Precision::f32, PlanKind::plain},
                                         Way{"bf16", Precision::bf16},
                                         Way{"frozen", Precision::f32, PlanKind::automatic, "stem,blocks.0"}),
                         [](const auto& instance) { return instance.param.name; });

TEST(MicroBatches, OfANetworkWithoutNormsLeaveTheGradientsOfTheWholeBatch) {
  const Images images;
  Network whole = network_of(without_norms());
  Network cut = network_of(without_norms());
  cut.set_micro_batch(kMost);
  const BatchResult expected = whole.train_batch(images.pixels, images.targets());
  const BatchResult result = cut.train_batch(images.pixels, images.targets());
  EXPECT_NEAR(result.loss(), expected.loss(), 1e-12);
  EXPECT_LT(difference(gradients(cut), gradients(whole)), 1e-6);
}

TEST(MicroBatches, LeaveOtherGradientsWhereNormsSeePartsOfTheBatch) {
  const Images images;
  Network whole = network_of(mixer());
  Network cut = network_of(mixer());
  cut.set_micro_batch(kMost);
  whole.train_batch(images.pixels, images.targets());
  cut.train_batch(images.pixels, images.targets());
  EXPECT_GT(difference(gradients(cut), gradients(whole)), 1e-3);
}

TEST(MicroBatches, OfAllImagesChangeNoBitAndTakeNoMemory) {
  const Images images;
  Network whole = network_of(mixer());
  whole.train_batch(images.pixels, images.targets());
  for (const std::int64_t most : {kImages, kImages + 1}) {
    Network network = network_of(mixer());
    network.set_micro_batch(most);
    network.train_batch(images.pixels, images.targets());
    EXPECT_EQ(gradients(network), gradients(whole));
    EXPECT_EQ(statistics(network), statistics(whole));
    EXPECT_EQ(network.logits().data(), network.plan(kImages, PlanMode::training).forward(images.pixels).data());
    EXPECT_EQ(network.memory().total(), whole.memory().total());
  }
}

TEST(MicroBatches, GiveTheSameBitsForAnyNumberOfThreads) {
  const Images images;
  std::vector<float> expected;
  for (const int threads : {1, 2, 3}) {
    ThreadPool pool(threads);
    Engine engine(pool);
    Network network = network_of(mixer(), Precision::f32, PlanKind::fused, engine);
    network.set_micro_batch(kMost);
    network.train_batch(images.pixels, images.targets());
    if (expected.empty()) expected = gradients(network);
    EXPECT_EQ(gradients(network), expected) << threads;
  }
}

TEST(MicroBatches, NeedTheMemoryOfTheLargest) {
  Network cut = network_of(mixer());
  cut.set_micro_batch(kMost);
  EXPECT_EQ(cut.plan_training(kImages).options().batch_size, kMost);
  Network small = network_of(mixer());
  EXPECT_EQ(cut.memory().total(), small.plan(kMost, PlanMode::training).memory().total());
}

TEST(MicroBatches, AreRefusedAsBatchesAreBeforeAnythingChanges) {
  Graph graph = make_convmixer(
      {.dim = 8, .depth = 1, .kernel_size = 3, .patch_size = 8, .image_size = 8, .channels = 3, .classes = kClasses});
  const Images images;
  Network network = network_of(std::move(graph));
  const std::vector<float> before = statistics(network);
  network.set_micro_batch(2);
  const Error error = error_of([&] { network.train_batch(images.part(0, 3), images.targets(0, 3)); });  // 2 and 1
  EXPECT_EQ(error.kind(), ErrorKind::usage);
  EXPECT_THAT(error.what(), HasSubstr("found a batch of 1 with 1x1 pixels: use a larger batch-size or micro-batch"));
  EXPECT_EQ(statistics(network), before);
  EXPECT_EQ(network.train_batch(images.part(0, 4), images.targets(0, 4)).images, 4) << "2 and 2 are enough";

  EXPECT_STREQ(error_of([&] { network.set_micro_batch(-1); }).what(),
               "micro-batch = -1: expected a number of images, or 0 for the whole batch");
}

}  // namespace
}  // namespace convmixer
