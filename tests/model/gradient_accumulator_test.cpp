#include "convmixer/model/gradient_accumulator.hpp"

#include "convmixer/core/rng.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

namespace convmixer {
namespace {

using testing::ElementsAre;

/// Parameters 0 and 1: the weight, of 3 times `classes` numbers, and the bias of a linear layer.
Graph layer(int classes) {
  Graph graph(3, 1, 1);
  graph.linear("head", graph.global_average_pool("pool", graph.input()), classes);
  return graph;
}

void fill(Parameters& parameters, ParameterId id, std::uint32_t seed) {
  Rng rng(seed, RandomStream::synthetic_data, static_cast<std::uint32_t>(id));
  std::ranges::generate(parameters.gradient(id), [&] { return rng.normal(); });
}

std::vector<float> copy(std::span<const float> values) { return {values.begin(), values.end()}; }

TEST(GradientAccumulator, AddsWeightedGradientsUp) {
  const Graph graph = layer(2);
  Parameters parameters(graph);
  ThreadPool pool(2);
  GradientAccumulator sum(parameters, pool);
  const auto set = [&](float first, float second) {
    parameters.gradient(1)[0] = first;
    parameters.gradient(1)[1] = second;
  };
  for (const float scale : {1.0F, 10.0F}) {  // the second time begins anew
    set(4.0F * scale, -8.0F);
    sum.add(0.75F);
    set(100.0F, 16.0F);
    sum.add(0.25F);
    EXPECT_THAT(parameters.gradient(1), ElementsAre(100.0F, 16.0F)) << "adding leaves them";
    sum.move_to_gradients();
    EXPECT_THAT(parameters.gradient(1), ElementsAre(3.0F * scale + 25.0F, -2.0F));
  }
  sum.move_to_gradients();
  EXPECT_THAT(parameters.gradient(1), ElementsAre(55.0F, -2.0F)) << "the sum is empty";
  sum.add(1.0F);
  sum.clear();
  set(1.0F, 2.0F);
  sum.add(1.0F);
  sum.move_to_gradients();
  EXPECT_THAT(parameters.gradient(1), ElementsAre(1.0F, 2.0F)) << "what was added before clear() is gone";
}

TEST(GradientAccumulator, IsTheSameToTheLastBitForAnyNumberOfThreads) {
  constexpr int kClasses = 17001;  // several tasks, the last one short
  const Graph graph = layer(kClasses);
  std::vector<float> expected(std::size_t{3} * kClasses);
  for (const int threads : {1, 2, 5}) {
    Parameters parameters(graph);
    ThreadPool pool(threads);
    GradientAccumulator sum(parameters, pool);
    std::vector<float> by_hand(expected.size());
    for (const std::uint32_t part : {1U, 2U, 3U}) {
      fill(parameters, 0, part);
      sum.add(0.5F);  // without rounding, so that multiplying and adding at once makes no difference
      for (std::size_t i = 0; i < by_hand.size(); ++i) by_hand[i] += 0.5F * parameters.gradient(0)[i];
    }
    sum.move_to_gradients();
    EXPECT_EQ(copy(parameters.gradient(0)), by_hand) << threads;
  }
}

TEST(GradientAccumulator, LeavesGradientsOfFrozenParameters) {
  Graph graph(3, 1, 1);
  const TensorId pooled = graph.global_average_pool("pool", graph.input());
  graph.linear("head", pooled, 2);
  graph.freeze("head");
  Parameters parameters(graph);
  ThreadPool pool(1);
  GradientAccumulator sum(parameters, pool);
  fill(parameters, 0, 1);
  sum.add(0.5F);
  const std::vector<float> before = copy(parameters.gradient(0));
  sum.move_to_gradients();
  EXPECT_EQ(copy(parameters.gradient(0)), before);
}

}  // namespace
}  // namespace convmixer
