#include "convmixer/graph/parameters.hpp"

#include "support/error_of.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace convmixer {
namespace {

using testing_support::error_of;

/// Sizes that end within a cache line, all kinds of parameters, fan-ins from 7 to 637.
Graph mixed_graph() {
  Graph graph(13, 9, 9);
  TensorId x = graph.convolution("wide", graph.input(), 21, 7, 1, 1, 3, 3);
  x = graph.batch_norm("norm", x);
  x = graph.convolution("to_one", x, 1, 3, 1, 1, 0, 0);
  x = graph.convolution("to_seven", x, 7, 1, 1, 1, 0, 0);
  x = graph.batch_norm("norm2", x);
  graph.linear("head", graph.global_average_pool("pool", x), 1500);
  return graph;
}

/// Weight and bias of `features` values from a fan-in of `fan_in`.
Graph linear_graph(int fan_in, int features) {
  Graph graph(fan_in, 1, 1);
  graph.linear("head", graph.global_average_pool("pool", graph.input()), features);
  return graph;
}

int parameter_count_of(const Graph& graph) { return static_cast<int>(graph.parameters().size()); }
int statistic_count_of(const Graph& graph) { return static_cast<int>(graph.statistics().size()); }

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

bool all(std::span<const float> values, float wanted) {
  return std::ranges::all_of(values, [wanted](float value) { return value == wanted; });
}

TEST(Parameters, AreZeroAndStatisticsInitialBeforeInitialisation) {
  const Graph graph = mixed_graph();
  const Parameters parameters(graph);
  for (int id = 0; id < parameter_count_of(graph); ++id) {
    const auto count = static_cast<std::size_t>(graph.parameters()[static_cast<std::size_t>(id)].shape.count());
    EXPECT_EQ(parameters.value(id).size(), count);
    EXPECT_EQ(parameters.gradient(id).size(), count);
    EXPECT_TRUE(all(parameters.value(id), 0.0F));
    EXPECT_TRUE(all(parameters.gradient(id), 0.0F));
  }
  for (int id = 0; id < statistic_count_of(graph); ++id) {
    const Statistic& statistic = graph.statistics()[static_cast<std::size_t>(id)];
    EXPECT_EQ(parameters.statistic(id).size(), static_cast<std::size_t>(statistic.shape.count()));
    EXPECT_TRUE(all(parameters.statistic(id), id % 2 == 0 ? 0.0F : 1.0F)) << statistic.name;
  }
}

TEST(Parameters, DrawWeightsAndBiasesUniformlyWithinOneOverTheRootOfFanIn) {
  constexpr int kFanIn = 7;
  const Graph graph = linear_graph(kFanIn, 20000);
  Parameters parameters(graph);
  parameters.initialise(5);
  const double bound = 1.0 / std::sqrt(double{kFanIn});
  for (int id = 0; id < 2; ++id) {
    const std::span<const float> values = parameters.value(id);
    const auto [least, most] = std::ranges::minmax(values);
    EXPECT_GE(static_cast<double>(least), -bound * (1.0 + 1e-6));
    EXPECT_LE(static_cast<double>(most), bound * (1.0 + 1e-6));
    // 20,000 draws all miss the outer 0.1% of a side with probability e^-10.
    EXPECT_LT(static_cast<double>(least), -0.998 * bound);
    EXPECT_GT(static_cast<double>(most), 0.998 * bound);
    double sum = 0.0;
    double squares = 0.0;
    for (const float value : values) {
      sum += static_cast<double>(value);
      squares += static_cast<double>(value) * static_cast<double>(value);
    }
    const auto count = static_cast<double>(values.size());
    EXPECT_NEAR(sum / count, 0.0, 0.02 * bound);
    EXPECT_NEAR(squares / count, bound * bound / 3.0, 0.02 * bound * bound) << "variance of a uniform distribution";
  }
}

TEST(Parameters, BoundEachTensorByItsOwnFanIn) {
  const Graph graph = mixed_graph();
  Parameters parameters(graph);
  parameters.initialise(5);
  for (int id = 0; id < parameter_count_of(graph); ++id) {
    const Parameter& parameter = graph.parameters()[static_cast<std::size_t>(id)];
    if (parameter.fan_in == 0) continue;
    const double bound = 1.0 / std::sqrt(static_cast<double>(parameter.fan_in));
    double largest = 0.0;
    for (const float value : parameters.value(id)) largest = std::max(largest, std::abs(static_cast<double>(value)));
    EXPECT_LE(largest, bound * (1.0 + 1e-6)) << parameter.name;
    if (parameter.shape.count() >= 100) {
      EXPECT_GT(largest, 0.95 * bound) << parameter.name;
    }
  }
}

TEST(Parameters, InitialiseNormsAndStatisticsToTheIdentity) {
  const Graph graph = mixed_graph();
  Parameters parameters(graph);
  const auto spoil = [](std::span<float> values) { std::ranges::fill(values, 42.0F); };
  for (int id = 0; id < parameter_count_of(graph); ++id) spoil(parameters.value(id));
  for (int id = 0; id < statistic_count_of(graph); ++id) spoil(parameters.statistic(id));
  parameters.initialise(5);
  for (int id = 0; id < parameter_count_of(graph); ++id) {
    const Parameter& parameter = graph.parameters()[static_cast<std::size_t>(id)];
    if (parameter.role == ParameterRole::norm_scale) {
      EXPECT_TRUE(all(parameters.value(id), 1.0F)) << parameter.name;
    }
    if (parameter.role == ParameterRole::norm_shift) {
      EXPECT_TRUE(all(parameters.value(id), 0.0F)) << parameter.name;
    }
  }
  for (int id = 0; id < statistic_count_of(graph); ++id) {
    EXPECT_TRUE(all(parameters.statistic(id), id % 2 == 0 ? 0.0F : 1.0F));
  }
}

TEST(Parameters, AreDrawnAsTheModelSays) {
  using Distribution = Initialisation::Distribution;
  struct Expected {
    Initialisation initialisation;
    double deviation;
    double largest;
  };
  // A normal distribution cut off at two standard deviations has 0.8796 of its deviation.
  for (const auto& [initialisation, deviation, largest] :
       {Expected{{Distribution::uniform, 0.5F}, 0.5 / std::sqrt(3.0), 0.5},
        Expected{{Distribution::normal, 0.02F}, 0.02, 0.12},
        Expected{{Distribution::truncated_normal, 0.02F}, 0.02 * 0.8796, 0.04},
        Expected{{Distribution::constant, -0.25F}, 0.25, 0.25}}) {
    Graph graph = linear_graph(100, 200);
    graph.set_initialisation(graph.parameters()[0].name, initialisation);
    Parameters parameters(graph);
    parameters.initialise(3);
    double squares = 0.0;
    double most = 0.0;
    for (const float value : parameters.value(0)) {
      squares += static_cast<double>(value) * static_cast<double>(value);
      most = std::max(most, std::abs(static_cast<double>(value)));
    }
    EXPECT_NEAR(std::sqrt(squares / 20000.0), deviation, 0.02 * deviation);
    EXPECT_LE(most, largest * (1.0 + 1e-6));
    EXPECT_GT(most, 0.6 * largest);
  }
}

TEST(Parameters, AreAFunctionOfTheSeed) {
  const Graph graph = mixed_graph();
  Parameters one(graph);
  Parameters same(graph);
  Parameters other(graph);
  one.initialise(7);
  same.initialise(8);  // what was there before must not matter
  same.initialise(7);
  other.initialise(8);
  for (int id = 0; id < parameter_count_of(graph); ++id) {
    const Parameter& parameter = graph.parameters()[static_cast<std::size_t>(id)];
    EXPECT_TRUE(same_bits(one.value(id), same.value(id))) << parameter.name;
    const bool drawn = parameter.role == ParameterRole::weight || parameter.role == ParameterRole::bias;
    EXPECT_EQ(same_bits(one.value(id), other.value(id)), !drawn) << parameter.name;
  }
}

TEST(Parameters, UseAllBitsOfTheSeed) {
  const Graph graph = linear_graph(4, 8);
  Parameters low(graph);
  Parameters high(graph);
  low.initialise(1);
  high.initialise(1 + (std::uint64_t{1} << 40));
  EXPECT_FALSE(same_bits(low.value(0), high.value(0)));
}

TEST(Parameters, DrawEachTensorFromItsOwnStream) {
  Graph graph(8, 4, 4);
  const TensorId x = graph.convolution_same("a", graph.input(), 8, 3, 8);
  graph.convolution_same("b", x, 8, 3, 8);
  Parameters parameters(graph);
  parameters.initialise(7);
  EXPECT_FALSE(same_bits(parameters.value(0), parameters.value(2))) << "weights of one shape";
  EXPECT_FALSE(same_bits(parameters.value(1), parameters.value(3))) << "biases of one shape";

  Graph with_larger_first(8, 4, 4);
  const TensorId y = with_larger_first.convolution_same("a", with_larger_first.input(), 8, 4, 1);
  with_larger_first.convolution_same("b", y, 8, 3, 8);
  Parameters others(with_larger_first);
  others.initialise(7);
  EXPECT_TRUE(same_bits(parameters.value(2), others.value(2))) << "tensors before it must not shift its draws";
}

TEST(Parameters, BeginOnCacheLinesAndNeverOverlap) {
  const Graph graph = mixed_graph();
  Parameters parameters(graph);
  std::vector<std::span<float>> spans;
  for (int id = 0; id < parameter_count_of(graph); ++id) {
    spans.push_back(parameters.value(id));
    spans.push_back(parameters.gradient(id));
  }
  for (int id = 0; id < statistic_count_of(graph); ++id) spans.push_back(parameters.statistic(id));
  for (const std::span<float> span : spans) EXPECT_EQ(reinterpret_cast<std::uintptr_t>(span.data()) % 64, 0U);
  // Each filled with a value of its own: any overlap leaves a wrong one.
  for (std::size_t i = 0; i < spans.size(); ++i) std::ranges::fill(spans[i], static_cast<float>(i));
  for (std::size_t i = 0; i < spans.size(); ++i) EXPECT_TRUE(all(spans[i], static_cast<float>(i))) << "span " << i;
}

TEST(Parameters, RefuseIdsThatTheGraphDoesNotHave) {
  const Graph graph = linear_graph(4, 8);
  Parameters parameters(graph);
  const auto message = [](const auto& body) { return std::string(error_of(body).what()); };
  EXPECT_EQ(message([&] { (void)parameters.value(2); }), "parameter 2: the network has only 2");
  EXPECT_EQ(message([&] { (void)parameters.gradient(-1); }), "parameter -1: the network has only 2");
  EXPECT_EQ(message([&] { (void)parameters.statistic(0); }), "statistic 0: the network has only 0");
  EXPECT_EQ(message([&] { (void)std::as_const(parameters).value(7); }), "parameter 7: the network has only 2");
}

TEST(Parameters, AreTheSameMemoryThroughAConstantReference) {
  const Graph graph = mixed_graph();
  Parameters parameters(graph);
  const Parameters& constant = parameters;
  EXPECT_EQ(&constant.graph(), &graph);
  EXPECT_EQ(constant.value(2).data(), parameters.value(2).data());
  EXPECT_EQ(constant.gradient(2).data(), parameters.gradient(2).data());
  EXPECT_EQ(constant.statistic(1).data(), parameters.statistic(1).data());
}

}  // namespace
}  // namespace convmixer
