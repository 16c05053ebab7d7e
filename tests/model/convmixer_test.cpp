#include "convmixer/model/convmixer.hpp"

#include "support/error_of.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace convmixer {
namespace {

using testing::ElementsAre;
using testing_support::error_of;

ConvMixerConfig config_of(int dim, int depth, int kernel_size, int patch_size) {
  ConvMixerConfig config;
  config.dim = dim;
  config.depth = depth;
  config.kernel_size = kernel_size;
  config.patch_size = patch_size;
  return config;
}

template <typename Items>
std::vector<std::string> names_of(const Items& items) {
  std::vector<std::string> names;
  for (const auto& item : items) names.push_back(item.name);
  return names;
}

TEST(ConvMixer, NamesItsParametersAsTimmDoes) {
  const Graph graph = make_convmixer(config_of(8, 1, 5, 2));
  EXPECT_THAT(names_of(graph.parameters()),
              ElementsAre("stem.0.weight", "stem.0.bias", "stem.2.weight", "stem.2.bias", "blocks.0.0.fn.0.weight",
                          "blocks.0.0.fn.0.bias", "blocks.0.0.fn.2.weight", "blocks.0.0.fn.2.bias", "blocks.0.1.weight",
                          "blocks.0.1.bias", "blocks.0.3.weight", "blocks.0.3.bias", "head.weight", "head.bias"));
  EXPECT_THAT(names_of(graph.statistics()),
              ElementsAre("stem.2.running_mean", "stem.2.running_var", "blocks.0.0.fn.2.running_mean",
                          "blocks.0.0.fn.2.running_var", "blocks.0.3.running_mean", "blocks.0.3.running_var"));
}

TEST(ConvMixer, CountsItsBlocksFromZero) {
  const Graph graph = make_convmixer(config_of(8, 12, 3, 4));
  const std::vector<std::string> names = names_of(graph.parameters());
  EXPECT_THAT(names, testing::Contains("blocks.11.0.fn.0.weight"));
  EXPECT_THAT(names, testing::Not(testing::Contains("blocks.12.0.fn.0.weight")));
  EXPECT_EQ(names.size(), 4U + 12U * 8U + 2U);
}

TEST(ConvMixer, GivesEveryParameterPyTorchsShape) {
  ConvMixerConfig config = config_of(24, 1, 4, 3);
  config.channels = 2;
  config.classes = 7;
  const Graph graph = make_convmixer(config);
  std::vector<Shape> shapes;
  for (const Parameter& parameter : graph.parameters()) shapes.push_back(parameter.shape);
  const Shape vector{24};
  EXPECT_THAT(shapes, ElementsAre(Shape{24, 2, 3, 3}, vector, vector, vector, Shape{24, 1, 4, 4}, vector, vector,
                                  vector, Shape{24, 24, 1, 1}, vector, vector, vector, Shape{7, 24}, Shape{7}));
}

TEST(ConvMixer, IsTheNetworkOfThePaper) {
  const Graph graph = make_convmixer(config_of(8, 1, 4, 2));
  EXPECT_THAT(names_of(graph.nodes()),
              ElementsAre("stem.0", "stem.1", "stem.2", "blocks.0.0.fn.0", "blocks.0.0.fn.1", "blocks.0.0.fn.2",
                          "blocks.0.0", "blocks.0.1", "blocks.0.2", "blocks.0.3", "pooling", "head"));
  const auto kind = [&](std::size_t node) { return graph.nodes()[node].operation.index(); };
  const std::size_t convolution = Operation(Convolution{}).index();
  const std::size_t gelu = Operation(Gelu{}).index();
  const std::size_t norm = Operation(BatchNorm{}).index();
  for (const std::size_t first : {0U, 3U, 7U}) {
    EXPECT_EQ(kind(first), convolution) << first;
    EXPECT_EQ(kind(first + 1), gelu) << first;
    EXPECT_EQ(kind(first + 2), norm) << first;
  }
  ASSERT_TRUE(std::holds_alternative<Add>(graph.nodes()[6].operation));
  EXPECT_THAT(graph.nodes()[6].inputs, testing::UnorderedElementsAre(graph.nodes()[2].output, graph.nodes()[5].output));
  ASSERT_EQ(graph.nodes().size(), 12U);
  EXPECT_TRUE(std::holds_alternative<GlobalAveragePool>(graph.nodes()[10].operation));
  EXPECT_TRUE(std::holds_alternative<Linear>(graph.nodes()[11].operation));

  const auto stem = std::get<Convolution>(graph.nodes()[0].operation);
  EXPECT_EQ(stem.stride, 2);
  EXPECT_EQ(stem.padding_begin + stem.padding_end, 0);
  const auto depthwise = std::get<Convolution>(graph.nodes()[3].operation);
  EXPECT_EQ(depthwise.groups, 8);
  EXPECT_EQ(depthwise.padding_begin, 1);
  EXPECT_EQ(depthwise.padding_end, 2) << "the odd zero of an even kernel comes last";
  EXPECT_EQ(std::get<Convolution>(graph.nodes()[7].operation).kernel, 1);
}

TEST(ConvMixer, LeavesOutPixelsPastTheLastWholePatch) {
  ConvMixerConfig config = config_of(8, 1, 5, 3);
  config.image_size = 11;
  const Graph graph = make_convmixer(config);
  EXPECT_EQ(graph.tensors()[0], Shape({3, 11, 11}));
  EXPECT_EQ(graph.tensors()[1], Shape({8, 3, 3}));
  EXPECT_EQ(graph.tensors().back(), Shape({10}));
}

TEST(ConvMixer, HasTheNumberOfParametersOfTheFormula) {
  for (const ConvMixerConfig& config : {config_of(1, 1, 1, 1), config_of(16, 3, 4, 1), config_of(40, 1, 7, 4),
                                        config_of(64, 4, 5, 2), config_of(257, 2, 9, 7)}) {
    const std::int64_t h = config.dim;
    const std::int64_t d = config.depth;
    const std::int64_t k = config.kernel_size;
    const std::int64_t p = config.patch_size;
    EXPECT_EQ(parameter_count(make_convmixer(config)), h * (d * (k * k + h + 6) + 3 * p * p + 13) + 10)
        << "dim " << h << ", depth " << d << ", kernel " << k << ", patch " << p;
  }
  EXPECT_EQ(parameter_count(make_convmixer(config_of(256, 8, 5, 2))), 594186);
  EXPECT_EQ(parameter_count(make_convmixer(config_of(256, 8, 7, 2))), 643338);
}

TEST(ConvMixer, NeedsTheMultiplyAddsWorkedOutByHand) {
  // 16x16 pixels of 256 channels: patches of 2x2x3, 8 depthwise filters of 5x5, 8 pointwise of 256, then the head.
  EXPECT_EQ(multiply_adds(make_convmixer(config_of(256, 8, 5, 2))), 786432 + 13107200 + 134217728 + 2560);
  EXPECT_EQ(multiply_adds(make_convmixer(config_of(256, 8, 7, 2))), 786432 + 25690112 + 134217728 + 2560);
}

TEST(ConvMixer, RefusesSettingsOutOfRangeByName) {
  struct Setting {
    const char* name;
    int ConvMixerConfig::*value;
    int most;
  };
  for (const Setting& setting :
       {Setting{"dim", &ConvMixerConfig::dim, 8192}, Setting{"depth", &ConvMixerConfig::depth, 1024},
        Setting{"kernel-size", &ConvMixerConfig::kernel_size, 127},
        Setting{"patch-size", &ConvMixerConfig::patch_size, 4096},
        Setting{"image-size", &ConvMixerConfig::image_size, 4096}, Setting{"channels", &ConvMixerConfig::channels, 256},
        Setting{"classes", &ConvMixerConfig::classes, 1 << 20}}) {
    for (const int value : {0, -1, setting.most + 1}) {
      ConvMixerConfig config;
      config.*setting.value = value;
      const Error error = error_of([&] { (void)make_convmixer(config); });
      EXPECT_EQ(error.kind(), ErrorKind::usage) << setting.name;
      EXPECT_EQ(std::string(error.what()), std::string(setting.name) + " = " + std::to_string(value) +
                                               ": expected a number from 1 to " + std::to_string(setting.most));
    }
    ConvMixerConfig largest;
    largest.image_size = 4096;
    largest.*setting.value = setting.most;
    EXPECT_NO_THROW((void)make_convmixer(largest)) << setting.name;
    ConvMixerConfig smallest;
    smallest.patch_size = 1;
    smallest.*setting.value = 1;
    EXPECT_NO_THROW((void)make_convmixer(smallest)) << setting.name;
  }
}

/// How many nodes of a graph are of this kind.
template <typename Operation>
std::int64_t count_of(const Graph& graph) {
  return std::ranges::count_if(graph.nodes(),
                               [](const Node& node) { return std::holds_alternative<Operation>(node.operation); });
}

TEST(ConvMixer, HasTheNormAndTheActivationThatAreChosen) {
  using Config = ConvMixerConfig;
  const Graph layer = make_convmixer({.dim = 8, .depth = 3, .norm = Config::Norm::layer});
  EXPECT_EQ(count_of<LayerNorm>(layer), 7);
  EXPECT_EQ(count_of<BatchNorm>(layer), 0);
  EXPECT_TRUE(layer.statistics().empty());
  const Graph group = make_convmixer({.dim = 64, .depth = 3, .norm = Config::Norm::group});
  EXPECT_EQ(count_of<GroupNorm>(group), 7);
  EXPECT_EQ(std::get<GroupNorm>(group.nodes()[2].operation).groups, 32);
  const Graph relu = make_convmixer({.dim = 8, .depth = 3, .activation = Config::Activation::relu});
  EXPECT_EQ(count_of<Relu>(relu), 7);
  EXPECT_EQ(count_of<Gelu>(relu), 0);
}

TEST(ConvMixer, AddsItsInputWhereItIsToldTo) {
  using Residual = ConvMixerConfig::Residual;
  const auto sums = [](Residual residual) {
    return count_of<Add>(make_convmixer({.dim = 8, .depth = 3, .residual = residual}));
  };
  EXPECT_EQ(sums(Residual::depthwise), 3);
  EXPECT_EQ(sums(Residual::both), 6);
  EXPECT_EQ(sums(Residual::none), 0);
}

TEST(ConvMixer, DropsMoreBranchesTheLaterTheyComeAndNoneByDefault) {
  std::vector<float> rates;
  const auto both = ConvMixerConfig::Residual::both;
  const Graph graph = make_convmixer({.dim = 8, .depth = 3, .residual = both, .dropout = 0.1F, .drop_path = 0.5F});
  for (const Node& node : graph.nodes())
    if (const auto* const path = std::get_if<DropPath>(&node.operation)) rates.push_back(path->rate);
  EXPECT_EQ(rates, (std::vector<float>{0.25F, 0.25F, 0.5F, 0.5F}));
  EXPECT_EQ(count_of<Dropout>(graph), 1);
  EXPECT_EQ(count_of<Dropout>(make_convmixer({})) + count_of<DropPath>(make_convmixer({})), 0);
}

TEST(ConvMixer, RefusesChoicesThatDontGoTogether) {
  const auto refusal = [](const ConvMixerConfig& config) {
    const Error error = error_of([&] { (void)make_convmixer(config); });
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    return std::string(error.what());
  };
  EXPECT_EQ(refusal({.dim = 40, .norm = ConvMixerConfig::Norm::group}),
            "dim = 40: norm = group has 32 groups of channels, expected a multiple of that");
  EXPECT_EQ(refusal({.residual = ConvMixerConfig::Residual::none, .drop_path = 0.1F}),
            "drop-path = 0.1: has no effect with residual = none");
  EXPECT_EQ(refusal({.depth = 1, .drop_path = 0.1F}),
            "drop-path = 0.1: has no effect with depth = 1: it grows from 0 at the first block");
}

TEST(ConvMixer, RefusesAPatchLargerThanTheImage) {
  ConvMixerConfig config = config_of(8, 1, 5, 33);
  const Error error = error_of([&] { (void)make_convmixer(config); });
  EXPECT_EQ(error.kind(), ErrorKind::usage);
  EXPECT_EQ(std::string(error.what()), "patch-size = 33: a patch does not fit into an image of 32x32");
  config.patch_size = 32;
  EXPECT_EQ(make_convmixer(config).tensors()[1], Shape({8, 1, 1}));
}

}  // namespace
}  // namespace convmixer
