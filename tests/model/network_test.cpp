#include "convmixer/model/network.hpp"

#include "convmixer/core/rng.hpp"
#include "convmixer/model/convmixer.hpp"
#include "convmixer/optim/make_optimizer.hpp"
#include "core/batch_chunks.hpp"
#include "model/share_loss.hpp"
#include "support/error_of.hpp"
#include "support/test_engine.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace convmixer {
namespace {

using testing_support::error_of;
using testing_support::test_engine;

constexpr std::size_t kImage = std::size_t{3} * 8 * 8;
constexpr int kClasses = 10;

Network small_network(Precision precision = Precision::f32, int classes = kClasses) {
  Network network(make_convmixer({.dim = 16,
                                  .depth = 1,
                                  .kernel_size = 3,
                                  .patch_size = 2,
                                  .image_size = 8,
                                  .channels = 3,
                                  .classes = classes}),
                  precision, test_engine());
  network.parameters().initialise(1);
  return network;
}

/// Random images with labels in turn.
struct Batch {
  explicit Batch(int count, std::uint32_t seed = 1, int classes = kClasses) {
    Rng rng(seed, RandomStream::synthetic_data);
    images.resize(static_cast<std::size_t>(count) * kImage);
    std::ranges::generate(images, [&] { return rng.normal(); });
    for (int i = 0; i < count; ++i) labels.push_back(i % classes);
  }

  [[nodiscard]] Targets targets() const { return {labels, {}, 0.0F}; }
  [[nodiscard]] Batch first(std::size_t count) const {
    Batch part = *this;
    part.images.resize(count * kImage);
    part.labels.resize(count);
    return part;
  }

  std::vector<float> images;
  std::vector<std::int32_t> labels;
};

std::vector<float> copy(std::span<const float> values) { return {values.begin(), values.end()}; }

template <typename Get>
std::vector<float> gather(std::size_t count, const Get& get) {
  std::vector<float> all;
  for (std::size_t id = 0; id < count; ++id) {
    const std::span<const float> values = get(static_cast<int>(id));
    all.insert(all.end(), values.begin(), values.end());
  }
  return all;
}
std::vector<float> gradients(const Network& network) {
  return gather(network.graph().parameters().size(), [&](int id) { return network.parameters().gradient(id); });
}
std::vector<float> statistics(const Network& network) {
  return gather(network.graph().statistics().size(), [&](int id) { return network.parameters().statistic(id); });
}

TEST(BatchResult, AddsUp) {
  BatchResult sum;
  EXPECT_EQ(sum.loss(), 0.0);
  EXPECT_EQ(sum.accuracy(), 0.0);
  EXPECT_EQ(sum.accuracy_top5(), 0.0);
  BatchResult one;
  one.images = 6;
  one.loss_sum = 12.0;
  one.correct = 2;
  one.correct_top5 = 5;
  BatchResult other;
  other.images = 2;
  other.loss_sum = 2.0;
  other.correct = 2;
  other.correct_top5 = 2;
  (sum += one) += other;
  EXPECT_EQ(sum.images, 8);
  EXPECT_EQ(sum.loss(), 14.0 / 8.0);
  EXPECT_EQ(sum.accuracy(), 0.5);
  EXPECT_EQ(sum.accuracy_top5(), 7.0 / 8.0);
}

TEST(Network, ScoresABatchByItsLogits) {
  Network network = small_network();
  EXPECT_EQ(network.classes(), kClasses);
  const Batch batch(12);
  const std::vector<float> soft(12 * kClasses, 0.1F);
  for (const bool training : {true, false}) {
    for (const Targets& targets : {batch.targets(), Targets{batch.labels, {}, 0.2F}, Targets{{}, soft, 0.0F}}) {
      const BatchResult result =
          training ? network.train_batch(batch.images, targets) : network.evaluate_batch(batch.images, targets);
      EXPECT_EQ(result.images, 12);
      EXPECT_EQ(result.loss_sum, cross_entropy_sum(network.logits(), kClasses, targets, BatchChunks(12)));
      EXPECT_DOUBLE_EQ(result.loss_sum, 12.0 * softmax_cross_entropy(network.logits(), kClasses, targets));
      EXPECT_EQ(result.correct, count_in_top(network.logits(), kClasses, targets.labels, 1));
      EXPECT_EQ(result.correct_top5, count_in_top(network.logits(), kClasses, targets.labels, 5));
      EXPECT_LE(result.correct, result.correct_top5);
      if (targets.labels.empty()) {
        EXPECT_EQ(result.correct_top5, 0);
      }
    }
  }
}

TEST(Network, CountsEveryImageInTheTopFiveOfFewerClasses) {
  Network network = small_network(Precision::f32, 3);
  const Batch batch(7, 1, 3);
  EXPECT_EQ(network.evaluate_batch(batch.images, batch.targets()).correct_top5, 7);
}

TEST(Network, EvaluatesWithoutTouchingGradientsAndStatistics) {
  Network network = small_network();
  const Batch batch(8);
  network.train_batch(batch.images, batch.targets());
  const std::vector<float> gradients_before = gradients(network);
  const std::vector<float> statistics_before = statistics(network);
  const std::vector<float> training_logits = copy(network.logits());
  network.evaluate_batch(batch.images, batch.targets());
  EXPECT_EQ(gradients(network), gradients_before);
  EXPECT_EQ(statistics(network), statistics_before);
  EXPECT_NE(copy(network.logits()), training_logits) << "running statistics are not the batch's";
}

TEST(Network, InfersTheLogitsThatItWouldBeScoredBy) {
  Network network = small_network();
  const Batch batch(8);
  network.train_batch(batch.images, batch.targets());
  const std::vector<float> statistics_before = statistics(network);
  network.evaluate_batch(batch.images, batch.targets());
  const std::vector<float> scored = copy(network.logits());
  const Batch part = batch.first(3);
  EXPECT_EQ(network.infer(part.images).size(), 3U * kClasses);
  EXPECT_EQ(copy(network.infer(batch.images)), scored);
  EXPECT_EQ(copy(network.logits()), scored);
  EXPECT_EQ(statistics(network), statistics_before);
}

TEST(Network, RefusesToInferFromPartsOfImagesAndWithoutWeights) {
  Network network = small_network();
  const std::vector<float> images(kImage + 1);
  EXPECT_STREQ(error_of([&] { network.infer(images); }).what(),
               "images: 193 numbers given, expected N x 192 for N images of shape (3, 8, 8), N at least 1");
  Network untrained(Graph(network.graph()), Precision::f32, test_engine());
  EXPECT_STREQ(error_of([&] { untrained.infer(std::span(images).first(kImage)); }).what(),
               "network: all of its parameters are 0, expected parameters().initialise(seed) or load_weights() first");
}

TEST(Network, TrainsOnTheBatchsStatisticsAndMovesTheRunningOnes) {
  Network network = small_network();
  const Batch batch(8);
  const std::vector<float> initial = statistics(network);
  network.train_batch(batch.images, batch.targets());
  const std::vector<float> logits = copy(network.logits());
  const std::vector<float> after_one = statistics(network);
  EXPECT_NE(after_one, initial);
  network.train_batch(batch.images, batch.targets());
  EXPECT_EQ(copy(network.logits()), logits);
  EXPECT_NE(statistics(network), after_one);
  // Seen often enough, the batch's statistics are the running ones, but for the unbiased variance: 128 values of a
  // channel make 0.4% of it, three norms one after the other 1%.
  for (int i = 0; i < 100; ++i) network.plan(8, PlanMode::training).forward(batch.images);
  network.evaluate_batch(batch.images, batch.targets());
  double largest = 0.0;
  for (const float logit : logits) largest = std::max(largest, std::abs(static_cast<double>(logit)));
  for (std::size_t i = 0; i < logits.size(); ++i) EXPECT_NEAR(network.logits()[i], logits[i], 0.02 * largest) << i;
}

TEST(Network, GivesTheLogitsOfTheLastBatch) {
  Network network = small_network();
  EXPECT_TRUE(network.logits().empty());
  const Batch batch(6);
  network.evaluate_batch(batch.images, batch.targets());
  EXPECT_EQ(network.logits().size(), 6U * kClasses);
  const Batch few = batch.first(2);
  network.evaluate_batch(few.images, few.targets());
  EXPECT_EQ(network.logits().size(), 2U * kClasses);
  network.train_batch(batch.images, batch.targets());
  EXPECT_EQ(network.logits().size(), 6U * kClasses);
  EXPECT_EQ(network.logits().data(), network.plan(6, PlanMode::training).forward(batch.images).data());
}

TEST(Network, MakesEachPlanOnce) {
  Network network = small_network();
  Plan& plan = network.plan(4, PlanMode::training);
  EXPECT_EQ(plan.options().batch_size, 4);
  EXPECT_EQ(plan.options().mode, PlanMode::training);
  EXPECT_EQ(&network.plan(4, PlanMode::training), &plan);
  EXPECT_NE(&network.plan(4, PlanMode::inference), &plan);
  EXPECT_NE(&network.plan(5, PlanMode::training), &plan);
  EXPECT_EQ(&network.plan(4, PlanMode::training), &plan) << "others leave it where it is";
}

TEST(Network, RunsSmallerPlansInTheLargestOnesMemory) {
  Network network = small_network();
  EXPECT_EQ(network.memory().total(), 0);
  const PlannedMemory largest = network.plan(8, PlanMode::training).memory();
  EXPECT_EQ(network.memory().total(), largest.total());
  const PlannedMemory shorter = network.plan(3, PlanMode::training).memory();
  const PlannedMemory inference = network.plan(8, PlanMode::inference).memory();
  EXPECT_EQ(network.memory().total(), largest.total());
  EXPECT_EQ(network.memory().unshared, largest.unshared + shorter.unshared + inference.unshared);
  const PlannedMemory larger = network.plan(64, PlanMode::training).memory();
  EXPECT_EQ(network.memory().total(), largest.total() + larger.total());
}

TEST(Network, TakesAShortBatchBetweenTwoFullOnes) {
  const Batch full(8);
  const Batch part = Batch(8, 2).first(3);
  Network network = small_network();
  network.train_batch(full.images, full.targets());
  const std::vector<float> full_logits = copy(network.logits());
  const std::vector<float> full_gradients = gradients(network);

  const BatchResult result = network.train_batch(part.images, part.targets());
  Network fresh = small_network();
  const BatchResult expected = fresh.train_batch(part.images, part.targets());
  EXPECT_EQ(result.images, 3);
  EXPECT_EQ(result.loss_sum, expected.loss_sum);
  EXPECT_EQ(copy(network.logits()), copy(fresh.logits()));
  EXPECT_EQ(gradients(network), gradients(fresh));

  network.train_batch(full.images, full.targets());
  EXPECT_EQ(copy(network.logits()), full_logits);
  EXPECT_EQ(gradients(network), full_gradients);
}

TEST(Network, MovesWithItsPlans) {
  Network one = small_network();
  const Batch batch(4);
  one.train_batch(batch.images, batch.targets());
  const std::vector<float> logits = copy(one.logits());
  Network other = std::move(one);
  other.train_batch(batch.images, batch.targets());
  EXPECT_EQ(copy(other.logits()), logits);
}

TEST(Network, RefusesBatchesItCannotTrainOn) {
  ConvMixerConfig config;
  config.dim = 8;
  config.depth = 1;
  config.image_size = config.patch_size = 8;
  Network network(make_convmixer(config), Precision::f32, test_engine());
  network.parameters().initialise(1);
  const Batch one(1);
  const Error error = error_of([&] { network.train_batch(one.images, one.targets()); });
  EXPECT_EQ(error.kind(), ErrorKind::usage);
  EXPECT_EQ(std::string(error.what()),
            "stem.2: batch norm in training needs more than one value per channel, found a batch of 1 with 1x1 pixels: "
            "use a larger batch-size or micro-batch (or drop-last)");
  EXPECT_EQ(network.evaluate_batch(one.images, one.targets()).images, 1) << "evaluation can";
}

Graph small_graph(int image_size, int dim = 16) {
  return make_convmixer({.dim = dim, .depth = 1, .kernel_size = 3, .patch_size = 2, .image_size = image_size});
}

class NetworkOfTwoSizes : public testing::TestWithParam<std::pair<Precision, PlanKind>> {};

TEST_P(NetworkOfTwoSizes, TrainsOnBothAsTheNetworksOfOneSizeDo) {
  const auto [precision, kind] = GetParam();
  if (kind == PlanKind::fused ? !Engine::supports(precision) : !Engine::has_instructions(precision))
    GTEST_SKIP() << "no such plan is computed in bf16 on this CPU";
  const Batch batch(8);
  const std::span<const float> images = batch.images;
  const std::span<const float> small = images.first(8 * 3 * 4 * 4);  // any values are as good
  const Shape shape{3, 4, 4};
  Network both(small_graph(8), precision, test_engine(), LayoutPolicy::automatic, kind);
  both.add_image_shape(small_graph(4));
  both.parameters().initialise(1);
  const auto expect_as = [&](const Graph& graph, std::span<const float> values) {
    Network one(Graph(graph), precision, test_engine(), LayoutPolicy::automatic, kind);
    one.parameters().initialise(1);
    for (StatisticId id = 0; id < static_cast<StatisticId>(graph.statistics().size()); ++id)
      std::ranges::copy(both.parameters().statistic(id), one.parameters().statistic(id).begin());
    const BatchResult expected = one.train_batch(values, batch.targets());
    EXPECT_EQ(both.train_batch(values, graph.tensors().front(), batch.targets()).loss_sum, expected.loss_sum);
    EXPECT_EQ(copy(both.logits()), copy(one.logits()));
    EXPECT_EQ(gradients(both), gradients(one));
    EXPECT_EQ(statistics(both), statistics(one));
  };
  expect_as(small_graph(8), images);
  expect_as(small_graph(4), small);
  expect_as(small_graph(8), images);
  EXPECT_EQ(both.memory().total(), both.plan(8, PlanMode::training).memory().total()) << "one memory";
  EXPECT_EQ(both.plan(8, PlanMode::training, shape).options().batch_size, 8);
  EXPECT_NE(&both.plan(8, PlanMode::training, shape), &both.plan(8, PlanMode::training));
}

INSTANTIATE_TEST_SUITE_P(Plans, NetworkOfTwoSizes,
                         testing::Values(std::pair(Precision::f32, PlanKind::fused),
                                         std::pair(Precision::bf16, PlanKind::fused),
                                         std::pair(Precision::f32, PlanKind::plain),
                                         std::pair(Precision::bf16, PlanKind::plain)));

/// Of tokens, as many as pixels, and their mean to the last.
Graph token_graph(int image_size, float epsilon, int first_token) {
  Graph graph(3, image_size, image_size);
  TensorId x = graph.layer_norm("norm", graph.to_tokens("tokens", graph.input()), epsilon);
  x = graph.token_mean("mean", x, first_token, image_size * image_size);
  graph.linear("head", x, 5);
  return graph;
}

TEST(Network, RefusesOtherSettingsOfItsOperationsForAnotherSize) {
  Network network(token_graph(4, 1e-6F, 0), Precision::f32, test_engine());
  const auto refusal = [&](Graph graph) {
    return std::string(error_of([&] { network.add_image_shape(std::move(graph)); }).what());
  };
  EXPECT_EQ(refusal(token_graph(2, 1e-5F, 0)),
            "network for images of shape (3, 2, 2): its operation norm has other settings");
  EXPECT_EQ(refusal(token_graph(2, 1e-6F, 1)),
            "network for images of shape (3, 2, 2): its operation mean has other settings");
  network.add_image_shape(token_graph(2, 1e-6F, 0));
  EXPECT_EQ(network.graph(Shape{3, 2, 2}).tensors().front(), Shape({3, 2, 2}));
}

TEST(Network, RefusesAnotherNetworkForAnotherSize) {
  Network network = small_network();
  const auto refusal = [&](Graph graph) {
    const Error error = error_of([&] { network.add_image_shape(std::move(graph)); });
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    return std::string(error.what());
  };
  EXPECT_EQ(refusal(small_graph(4, 8)),
            "network for images of shape (3, 4, 4): it has the parameter stem.0.weight (8, 3, 2, 2), expected "
            "stem.0.weight (16, 3, 2, 2)");
  EXPECT_EQ(refusal(small_graph(8)), "network for images of shape (3, 8, 8): there is one already");
  Graph frozen = small_graph(4);
  frozen.freeze("stem.0");
  EXPECT_EQ(refusal(std::move(frozen)),
            "network for images of shape (3, 4, 4): it has the parameter stem.0.weight (16, 3, 2, 2), frozen, expected "
            "stem.0.weight (16, 3, 2, 2)");
  const Batch batch(8);
  EXPECT_STREQ(error_of([&] {
                 network.train_batch(batch.images, Shape{3, 4, 4}, batch.targets());
               }).what(),
               "images of shape (3, 4, 4): the network expects (3, 8, 8)");
  EXPECT_EQ(network.memory().total(), 0);
}

/// What both kinds of batches are refused with; the network must be as it was.
std::string refusal_of(Network& network, std::span<const float> images, const Targets& targets) {
  const std::vector<float> gradients_before = gradients(network);
  const std::vector<float> statistics_before = statistics(network);
  const Error error = error_of([&] { network.train_batch(images, targets); });
  EXPECT_EQ(error.kind(), ErrorKind::usage);
  EXPECT_STREQ(error_of([&] { network.evaluate_batch(images, targets); }).what(), error.what());
  EXPECT_EQ(gradients(network), gradients_before);
  EXPECT_EQ(statistics(network), statistics_before);
  EXPECT_TRUE(network.logits().empty());
  EXPECT_EQ(network.memory().total(), 0) << "no plan was made";
  return error.what();
}

TEST(Network, RefusesImagesThatArentAWholeNumber) {
  Network network = small_network();
  const Batch batch(8);
  const std::string expected = " numbers given, expected N x 192 for N images of shape (3, 8, 8), N at least 1";
  EXPECT_EQ(refusal_of(network, std::span(batch.images).first(8 * kImage - 1), batch.targets()),
            "images: 1535" + expected);
  EXPECT_EQ(refusal_of(network, std::span(batch.images).first(kImage / 2), batch.targets()), "images: 96" + expected);
  EXPECT_EQ(refusal_of(network, {}, {}), "images: 0" + expected);
}

TEST(Network, RefusesTargetsThatDontFitTheImages) {
  Network network = small_network();
  Batch batch(8);
  EXPECT_EQ(refusal_of(network, batch.images, batch.first(5).targets()), "labels: 5 given for 8 images");
  EXPECT_EQ(refusal_of(network, batch.images, {}),
            "targets: neither labels nor soft targets given, expected either or both for 8 images");
  std::vector<float> soft(8 * kClasses, 0.1F);
  EXPECT_EQ(refusal_of(network, batch.images, {.soft = std::span(soft).first(79)}),
            "soft targets: 79 numbers given, expected 8 x 10, images by classes");
  soft[42] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(refusal_of(network, batch.images, {.soft = soft}),
            "soft target of image 4, class 2 = nan: expected a finite number");
  EXPECT_EQ(refusal_of(network, batch.images, {.labels = batch.labels, .label_smoothing = 2.0F}),
            "label smoothing = 2: expected a number from 0 to 1");
}

TEST(Network, RefusesLabelsThatArentClasses) {
  for (const std::int32_t label : {10, -1, 2000000000}) {
    Network network = small_network();
    Batch batch(8);
    batch.labels[3] = label;
    EXPECT_EQ(refusal_of(network, batch.images, batch.targets()),
              "labels[3] = " + std::to_string(label) + ": expected a class from 0 to 9");
  }
}

TEST(Network, RefusesBatchesUntilItIsInitialised) {
  Network network(make_convmixer({.dim = 16, .depth = 1, .kernel_size = 3, .patch_size = 2, .image_size = 8}),
                  Precision::f32, test_engine());
  const Batch batch(8);
  EXPECT_EQ(refusal_of(network, batch.images, batch.targets()),
            "network: all of its parameters are 0, expected parameters().initialise(seed) or load_weights() first");
  network.parameters().initialise(1);
  const double loss = network.train_batch(batch.images, batch.targets()).loss();
  EXPECT_EQ(loss, small_network().train_batch(batch.images, batch.targets()).loss());
}

TEST(Network, RefusesGraphsThatGiveNoLogits) {
  const auto message = [](const Graph& graph) {
    const Error error = error_of([&] { Network(graph, Precision::f32, test_engine()); });
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    return std::string(error.what());
  };
  Graph graph(3, 8, 8);
  EXPECT_EQ(message(graph), "network: its graph has no operations, expected at least one");
  graph.convolution_same("conv", graph.input(), 4, 3, 1);
  EXPECT_EQ(message(graph),
            "network: its output has shape (4, 8, 8), expected (classes): a linear layer or a pooling comes last");
}

TEST(Network, TakesLossFromSoftTargetsAndAccuracyFromLabels) {
  Network network = small_network();
  const Batch batch(8);
  const std::vector<float> soft(8 * kClasses, 0.1F);
  const BatchResult both = network.evaluate_batch(batch.images, {.labels = batch.labels, .soft = soft});
  EXPECT_EQ(both.loss_sum, network.evaluate_batch(batch.images, {.soft = soft}).loss_sum);
  EXPECT_EQ(both.correct_top5, network.evaluate_batch(batch.images, {.labels = batch.labels}).correct_top5);
}

class Overfitting : public testing::TestWithParam<Precision> {};

TEST_P(Overfitting, LearnsEightRandomImagesByHeart) {
  if (!Engine::supports(GetParam())) GTEST_SKIP() << "nothing is computed in bf16 on this CPU";
  Network network = small_network(GetParam());
  const auto optimizer =
      make_optimizer(network.parameters(), {.kind = OptimizerKind::adamw, .weight_decay = 0.01F}, test_engine().pool());
  const Batch batch(8);
  EXPECT_GT(network.train_batch(batch.images, batch.targets()).loss(), 1.5) << "before: near ln 10";
  BatchResult result;
  for (int step = 0; step < 60; ++step) {
    result = network.train_batch(batch.images, batch.targets());
    optimizer->step(0.02F);
  }
  EXPECT_LT(result.loss(), 0.05);
  EXPECT_EQ(result.correct, 8);
}

INSTANTIATE_TEST_SUITE_P(All, Overfitting, testing::Values(Precision::f32, Precision::bf16),
                         [](const auto& one) { return std::string(to_string(one.param)); });

}  // namespace
}  // namespace convmixer
