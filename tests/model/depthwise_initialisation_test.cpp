#include "convmixer/model/depthwise_initialisation.hpp"

#include "convmixer/model/convmixer.hpp"
#include "support/error_of.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

namespace convmixer {
namespace {

using testing_support::error_of;

Graph network(int dim, int kernel_size) {
  return make_convmixer(
      {.dim = dim, .depth = 2, .kernel_size = kernel_size, .patch_size = 4, .image_size = 8, .classes = 2});
}

/// A depthwise convolution and nothing else.
Graph filters(int channels, int kernel_size) {
  Graph graph(channels, 8, 8);
  graph.convolution_same("depthwise", graph.input(), channels, kernel_size, channels);
  return graph;
}

/// Means of the products of two taps over all filters.
std::vector<double> covariance(std::span<const float> weights, std::size_t taps) {
  std::vector<double> result(taps * taps);
  for (std::size_t at = 0; at < weights.size(); at += taps)
    for (std::size_t p = 0; p < taps; ++p)
      for (std::size_t q = 0; q < taps; ++q)
        result[p * taps + q] += double{weights[at + p]} * double{weights[at + q]} * static_cast<double>(taps) /
                                static_cast<double>(weights.size());
  return result;
}

TEST(InitialiseDepthwise, GaussianFiltersHaveTheCovarianceOfTheFormula) {
  const Graph graph = filters(8192, 3);
  Parameters parameters(graph);
  initialise_depthwise(parameters, DepthwiseInitialisation::gaussian, 1);
  const std::vector<double> found = covariance(parameters.value(0), 9);
  // By numpy, for a sigma of 0.75 and a length of 0.6 pixels: the rows of a corner, an edge and the centre
  const std::array<std::array<double, 9>, 3> expected{
      {{0.00531852338, 0.00322584749, 2.05609867e-05, 0.00322584749, 0.00195657541, 1.24708688e-05, 2.05609867e-05,
        1.24708688e-05, 7.94871324e-08},
       {0.00322584749, 0.0314680732, 0.00322584749, 0.00195657541, 0.0190863512, 0.00195657541, 1.24708688e-05,
        0.000121653058, 1.24708688e-05},
       {0.00195657541, 0.0190863512, 0.00195657541, 0.0190863512, 0.186186947, 0.0190863512, 0.00195657541,
        0.0190863512, 0.00195657541}}};
  const std::array<std::size_t, 3> rows{0, 1, 4};
  const auto variance = [&](std::size_t p) { return p == 4 ? 0.186186947 : p % 2 == 0 ? 0.00531852338 : 0.0314680732; };
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t q = 0; q < 9; ++q) {
      const double five_errors = 5.0 * std::sqrt(2.0 * variance(rows[i]) * variance(q) / 8192.0);
      EXPECT_NEAR(found[rows[i] * 9 + q], expected[i][q], five_errors) << rows[i] << ' ' << q;
    }
  }
}

TEST(InitialiseDepthwise, TapsThatAreAlikeOverAnyDistanceAreOneBump) {
  const Graph graph = filters(16, 4);
  Parameters parameters(graph);
  initialise_depthwise(parameters, DepthwiseInitialisation::gaussian, 3, {.sigma = 0.25F, .length = 1e4F});
  const auto weights = parameters.value(0);
  for (std::size_t at = 0; at < weights.size(); at += 16) {
    // s_p s_q of rows 0 and 1 of an even kernel: 1.5 and 0.5 pixels from its centre, with a sigma of 1
    const float ratio = std::exp((0.25F - 2.25F) / 2.0F);
    EXPECT_NEAR(weights[at + 1], weights[at + 5] * ratio, 1e-5F);
    EXPECT_NEAR(weights[at], weights[at + 5] * ratio * ratio, 1e-5F);
    EXPECT_NEAR(weights[at + 15], weights[at], 1e-5F);
  }
}

TEST(InitialiseDepthwise, EveryKindHasThePowerOfTheStandardOne) {
  for (const int kernel : {1, 2, 5, 9}) {
    const Graph graph = filters(2048, kernel);
    for (const auto kind :
         {DepthwiseInitialisation::standard, DepthwiseInitialisation::gaussian, DepthwiseInitialisation::impulse}) {
      Parameters parameters(graph);
      parameters.initialise(1);
      initialise_depthwise(parameters, kind, 1);
      double power = 0.0;
      for (const float weight : parameters.value(0)) power += double{weight} * double{weight} / 2048.0;
      EXPECT_NEAR(power, 1.0 / 3.0, 0.05) << kernel << ' ' << static_cast<int>(kind);
    }
  }
}

TEST(InitialiseDepthwise, ImpulsesHaveOneTapAnywhere) {
  const Graph graph = filters(64, 3);
  Parameters parameters(graph);
  initialise_depthwise(parameters, DepthwiseInitialisation::impulse, 1);
  const auto weights = parameters.value(0);
  std::array<bool, 9> seen{};
  for (std::size_t at = 0; at < weights.size(); at += 9) {
    EXPECT_EQ(std::ranges::count(weights.subspan(at, 9), 0.0F), 8);
    for (std::size_t p = 0; p < 9; ++p) seen[p] = seen[p] || weights[at + p] == std::sqrt(1.0F / 3.0F);
  }
  EXPECT_TRUE(std::ranges::all_of(seen, [](bool was) { return was; }));
}

TEST(InitialiseDepthwise, IsAFunctionOfTheSeedBlockByBlockAndOfWeightsAlone) {
  const Graph graph = network(8, 5);
  Parameters usual(graph);
  usual.initialise(1);
  const auto drawn = [&](std::uint64_t seed) {
    Parameters parameters(graph);
    parameters.initialise(1);
    initialise_depthwise(parameters, DepthwiseInitialisation::gaussian, seed);
    std::vector<std::vector<float>> blocks;
    for (ParameterId id = 0; id < static_cast<ParameterId>(graph.parameters().size()); ++id) {
      const bool is_depthwise = graph.parameters()[static_cast<std::size_t>(id)].name.ends_with(".fn.0.weight");
      const auto value = parameters.value(id);
      if (is_depthwise) blocks.emplace_back(value.begin(), value.end());
      EXPECT_EQ(std::ranges::equal(value, usual.value(id)), !is_depthwise) << id;
    }
    return blocks;
  };
  EXPECT_EQ(drawn(1).size(), 2U);
  EXPECT_NE(drawn(1)[0], drawn(1)[1]);
  EXPECT_EQ(drawn(1), drawn(1));
  EXPECT_NE(drawn(1), drawn(2));
}

TEST(InitialiseDepthwise, RefusesANetworkWithoutDepthwiseConvolutionsAndSizesOf0) {
  Graph graph(3, 4, 4);
  graph.convolution_same("only", graph.input(), 4, 3, 1);
  Parameters parameters(graph);
  EXPECT_EQ(
      std::string(error_of([&] { initialise_depthwise(parameters, DepthwiseInitialisation::impulse, 1); }).what()),
      "depthwise-init = impulse: the network has no depthwise convolution, as ConvMixers have; expected default");
  EXPECT_EQ(std::string(error_of([&] {
                          initialise_depthwise(parameters, DepthwiseInitialisation::gaussian, 1, {.sigma = 0.0F});
                        }).what()),
            "depthwise filters: sigma 0 and length 0.2, expected numbers above 0");
}

}  // namespace
}  // namespace convmixer
