// Dropout and stochastic depth: what is dropped, and when. That the values are right is in
// tests/plan/plain/operations_test.
#include "convmixer/core/thread_pool.hpp"
#include "convmixer/model/network.hpp"
#include "convmixer/plan/plan.hpp"
#include "support/test_engine.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <utility>
#include <vector>

namespace convmixer {
namespace {

using testing_support::test_engine;

constexpr std::int64_t kImages = 8;

Graph of_values(float rate) {
  Graph graph(20, 8, 8);
  graph.dropout("dropout", graph.input(), rate);
  return graph;
}

Graph of_images(float rate) {
  Graph graph(3, 4, 4);
  graph.drop_path("path", graph.input(), rate);
  return graph;
}

/// Output for images of ones.
std::vector<float> drop(const Graph& graph, const DropoutDraws& draws, Engine& engine = test_engine(),
                        std::int64_t images = kImages, PlanMode mode = PlanMode::training) {
  Parameters parameters(graph);
  Plan plan(graph, parameters, engine, {.batch_size = images, .mode = mode});
  plan.set_dropout_draws(draws);
  const std::vector<float> ones(static_cast<std::size_t>(images * graph.tensors()[0].count()), 1.0F);
  const auto output = plan.forward(ones);
  return {output.begin(), output.end()};
}

TEST(Dropout, DropsItsShareOfTheValuesAndKeepsTheirMean) {
  const std::vector<float> output = drop(of_values(0.3F), {.seed = 4});
  const auto dropped = static_cast<double>(std::ranges::count(output, 0.0F));
  const auto count = static_cast<double>(output.size());
  EXPECT_NEAR(dropped / count, 0.3, 4.0 * std::sqrt(0.21 / count));
  EXPECT_EQ(
      static_cast<std::size_t>(std::ranges::count(output, 1.0F / (1.0F - 0.3F))) + static_cast<std::size_t>(dropped),
      output.size());
}

TEST(DropPath, DropsWholeImages) {
  constexpr std::int64_t kMany = 400;
  const std::vector<float> output = drop(of_images(0.25F), {.seed = 4}, test_engine(), kMany);
  const std::size_t size = output.size() / kMany;
  int dropped = 0;
  for (std::size_t image = 0; image < kMany; ++image) {
    const float first = output[image * size];
    EXPECT_TRUE(first == 0.0F || first == 1.0F / 0.75F);
    EXPECT_EQ(std::count_if(output.begin() + static_cast<std::ptrdiff_t>(image * size),
                            output.begin() + static_cast<std::ptrdiff_t>((image + 1) * size),
                            [&](float value) { return value == first; }),
              static_cast<std::ptrdiff_t>(size));
    dropped += first == 0.0F ? 1 : 0;
  }
  EXPECT_NEAR(dropped, 100, 4 * 9);
}

TEST(Dropout, IsAnotherForEachSeedUpdateImageAndNode) {
  const std::vector<float> once = drop(of_values(0.5F), {.seed = 1, .update = 2});
  EXPECT_EQ(drop(of_values(0.5F), {.seed = 1, .update = 2}), once);
  EXPECT_NE(drop(of_values(0.5F), {.seed = 2, .update = 2}), once);
  EXPECT_NE(drop(of_values(0.5F), {.seed = 1, .update = 3}), once);
  const auto size = static_cast<std::ptrdiff_t>(once.size() / kImages);
  EXPECT_NE(std::vector(once.begin(), once.begin() + size), std::vector(once.begin() + size, once.begin() + 2 * size));
  Graph two(20, 8, 8);
  two.dropout("second", two.dropout("none", two.input(), 0.0F), 0.5F);
  EXPECT_NE(drop(two, {.seed = 1, .update = 2}), once);
}

TEST(Dropout, IsTheSameForAnyNumberOfThreadsAndPartOfABatch) {
  ThreadPool pool(3);
  Engine engine(pool);
  for (const Graph& graph : {of_values(0.5F), of_images(0.5F)}) {
    const std::vector<float> all = drop(graph, {.seed = 1});
    EXPECT_EQ(drop(graph, {.seed = 1}, engine), all);
    const std::vector<float> part = drop(graph, {.seed = 1, .first_image = 3}, test_engine(), 2);
    const auto size = static_cast<std::ptrdiff_t>(all.size() / kImages);
    EXPECT_EQ(part, std::vector(all.begin() + 3 * size, all.begin() + 5 * size));
  }
}

TEST(Dropout, IsNothingInInferenceAndWhereItIsToldSo) {
  const std::vector<float> ones(std::size_t{kImages} * 20 * 64, 1.0F);
  EXPECT_EQ(drop(of_values(0.5F), {}, test_engine(), kImages, PlanMode::inference), ones);
  EXPECT_EQ(drop(of_values(0.5F), {.drops = false}), ones);
}

/// Nothing in it depends on the other images of a batch.
Network network() {
  Graph graph(3, 6, 6);
  TensorId x = graph.convolution("stem", graph.input(), 8, 3, 1, 1, 1, 1);
  x = graph.add("add", graph.drop_path("path", graph.relu("relu", graph.group_norm("norm", x, 2)), 0.5F), x);
  graph.linear("head", graph.dropout("dropout", graph.global_average_pool("pool", x), 0.5F), 4);
  Network network(std::move(graph), Precision::f32, test_engine());
  network.parameters().initialise(3);
  return network;
}

std::vector<float> images() {
  std::vector<float> values(std::size_t{kImages} * 3 * 36);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::sin(static_cast<float>(i));
  return values;
}

std::vector<float> gradients(const Network& network) {
  std::vector<float> all;
  for (ParameterId id = 0; id < static_cast<ParameterId>(network.graph().parameters().size()); ++id)
    std::ranges::copy(network.parameters().gradient(id), std::back_inserter(all));
  return all;
}

TEST(Dropout, OfMicroBatchesIsThatOfTheWholeBatch) {
  const std::vector<std::int32_t> labels(kImages, 1);
  Network whole = network();
  Network cut = network();
  cut.set_micro_batch(3);
  for (Network* const one : {&whole, &cut}) {
    one->set_dropout(7, 5);
    one->train_batch(images(), {.labels = labels});
  }
  const std::vector<float> expected = gradients(whole);
  const std::vector<float> found = gradients(cut);
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-5F) << i;
}

TEST(Dropout, GoesOnFromUpdateToUpdate) {
  const std::vector<std::int32_t> labels(kImages, 1);
  const auto logits = [&](Network& of) {
    of.train_batch(images(), {.labels = labels});
    return std::vector<float>(of.logits().begin(), of.logits().end());
  };
  Network one = network();
  one.set_dropout(7, 0);
  const std::vector<float> first = logits(one);
  const std::vector<float> second = logits(one);
  EXPECT_NE(first, second);
  Network other = network();
  other.set_dropout(7, 1);
  EXPECT_EQ(logits(other), second);
  one.set_dropout(7, 0);
  EXPECT_EQ(logits(one), first);
}

}  // namespace
}  // namespace convmixer
