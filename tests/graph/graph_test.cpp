#include "convmixer/graph/graph.hpp"

#include "support/error_of.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <string>
#include <variant>
#include <vector>

namespace convmixer {
namespace {

using testing_support::error_of;

Shape shape_of(const Graph& graph, TensorId tensor) { return graph.tensors().at(static_cast<std::size_t>(tensor)); }

/// The Convolution of the last node added.
Convolution last_convolution(const Graph& graph) { return std::get<Convolution>(graph.nodes().back().operation); }

TEST(Graph, BeginsWithTheImage) {
  const Graph graph(3, 32, 24);
  EXPECT_EQ(graph.input(), 0);
  EXPECT_EQ(graph.output(), 0);
  EXPECT_EQ(graph.tensors(), std::vector<Shape>({{3, 32, 24}}));
  EXPECT_TRUE(graph.nodes().empty());
}

TEST(Graph, GivesConvolutionsTheShapeOfTheFormula) {
  struct Case {
    int height, width, kernel, stride, begin, end;
    Shape output;
  };
  for (const Case& c :
       {Case{32, 32, 2, 2, 0, 0, {8, 16, 16}}, Case{11, 11, 3, 3, 0, 0, {8, 3, 3}}, Case{7, 9, 5, 1, 2, 2, {8, 7, 9}},
        Case{7, 9, 5, 2, 2, 1, {8, 3, 4}}, Case{4, 6, 4, 1, 0, 0, {8, 1, 3}}, Case{1, 1, 1, 7, 0, 0, {8, 1, 1}}}) {
    Graph graph(4, c.height, c.width);
    const TensorId y = graph.convolution("conv", graph.input(), 8, c.kernel, c.stride, 2, c.begin, c.end);
    EXPECT_EQ(shape_of(graph, y), c.output) << "kernel " << c.kernel << " on " << c.height << "x" << c.width;
    EXPECT_EQ(last_convolution(graph).kernel, c.kernel);
    EXPECT_EQ(last_convolution(graph).stride, c.stride);
    EXPECT_EQ(last_convolution(graph).groups, 2);
    EXPECT_EQ(last_convolution(graph).padding_begin, c.begin);
    EXPECT_EQ(last_convolution(graph).padding_end, c.end);
  }
}

TEST(Graph, PadsToTheSameSizeWithTheOddZeroAtTheEnd) {
  struct Case {
    int kernel, begin, end;
  };
  for (const Case& c :
       {Case{1, 0, 0}, Case{2, 0, 1}, Case{3, 1, 1}, Case{4, 1, 2}, Case{5, 2, 2}, Case{8, 3, 4}, Case{9, 4, 4}}) {
    Graph graph(6, 5, 7);
    const TensorId y = graph.convolution_same("conv", graph.input(), 6, c.kernel, 6);
    EXPECT_EQ(shape_of(graph, y), Shape({6, 5, 7})) << "kernel " << c.kernel;
    EXPECT_EQ(last_convolution(graph).padding_begin, c.begin) << "kernel " << c.kernel;
    EXPECT_EQ(last_convolution(graph).padding_end, c.end) << "kernel " << c.kernel;
    EXPECT_EQ(last_convolution(graph).stride, 1);
    EXPECT_EQ(last_convolution(graph).groups, 6);
  }
}

TEST(Graph, GivesEveryOtherOperationItsShape) {
  Graph graph(3, 5, 7);
  const TensorId gelu = graph.gelu("gelu", graph.input());
  const TensorId norm = graph.batch_norm("norm", gelu);
  const TensorId sum = graph.add("sum", norm, graph.input());
  const TensorId pooled = graph.global_average_pool("pool", sum);
  const TensorId linear = graph.linear("head", pooled, 10);
  EXPECT_EQ(graph.output(), linear);
  const TensorId tokens = graph.to_tokens("tokens", sum);
  EXPECT_EQ(shape_of(graph, tokens), Shape({35, 3}));
  for (const TensorId x : {sum, pooled, tokens})
    EXPECT_EQ(shape_of(graph, graph.layer_norm(std::to_string(x), x)), shape_of(graph, x));
  for (const TensorId image : {gelu, norm, sum}) EXPECT_EQ(shape_of(graph, image), Shape({3, 5, 7}));
  EXPECT_EQ(shape_of(graph, pooled), Shape({3}));
  EXPECT_EQ(shape_of(graph, linear), Shape({10}));
}

TEST(Graph, NormalisesTheChannelsOfPixelsAndTheFeaturesOfTokens) {
  Graph graph(3, 5, 7);
  graph.layer_norm("pixels", graph.input());
  graph.layer_norm("tokens", graph.to_tokens("to_tokens", graph.input()), 1e-5F);
  const std::vector<ParameterId> ids = parameters_of(graph.nodes().back());
  ASSERT_EQ(graph.parameters().size(), 4U);
  EXPECT_EQ(ids, (std::vector<ParameterId>{2, 3}));
  for (const Parameter& parameter : graph.parameters()) EXPECT_EQ(parameter.shape, Shape({3})) << parameter.name;
  EXPECT_EQ(graph.parameters()[2].name, "tokens.weight");
  EXPECT_EQ(graph.parameters()[3].name, "tokens.bias");
  EXPECT_EQ(graph.parameters()[2].role, ParameterRole::norm_scale);
  EXPECT_EQ(graph.parameters()[3].role, ParameterRole::norm_shift);
  EXPECT_EQ(std::get<LayerNorm>(graph.nodes().front().operation).epsilon, 1e-6F);
  EXPECT_EQ(std::get<LayerNorm>(graph.nodes().back().operation).epsilon, 1e-5F);
}

TEST(Graph, GivesConvnetsOperationsTheirShapes) {
  Graph graph(6, 5, 8);
  const TensorId relu = graph.relu("relu", graph.input());
  const TensorId norm = graph.group_norm("norm", relu, 3);
  const TensorId dropped = graph.drop_path("path", graph.dropout("dropout", norm, 0.0F), 0.5F);
  for (const TensorId image : {relu, norm, dropped}) EXPECT_EQ(shape_of(graph, image), Shape({6, 5, 8}));
  EXPECT_EQ(shape_of(graph, graph.max_pool("overlapping", graph.input(), 3, 2, 1)), Shape({6, 3, 4}));
  EXPECT_EQ(shape_of(graph, graph.max_pool("apart", graph.input(), 2, 2, 0)), Shape({6, 2, 4}));
  EXPECT_EQ(multiply_adds(graph), 0);
}

TEST(Graph, HasNoBiasWhereNoneIsAskedFor) {
  Graph graph(3, 5, 5);
  graph.convolution("conv", graph.input(), 4, 3, 1, 1, 1, 1, Bias::without);
  EXPECT_EQ(last_convolution(graph).bias, kNoParameter);
  EXPECT_EQ(parameters_of(graph.nodes().back()).size(), 1U);
  EXPECT_EQ(parameter_count(graph), 4 * 27);
  EXPECT_EQ(multiply_adds(graph), 25 * 4 * 27);
}

TEST(Graph, ListsNodesInTheOrderTheyWereAddedWithTheirOperands) {
  Graph graph(3, 4, 4);
  const TensorId a = graph.gelu("first", graph.input());
  const TensorId b = graph.add("second", a, graph.input());
  ASSERT_EQ(graph.nodes().size(), 2U);
  EXPECT_EQ(graph.nodes()[0].name, "first");
  EXPECT_EQ(graph.nodes()[0].inputs, std::vector<TensorId>{0});
  EXPECT_EQ(graph.nodes()[0].output, a);
  EXPECT_EQ(graph.nodes()[1].name, "second");
  EXPECT_EQ(graph.nodes()[1].inputs, (std::vector<TensorId>{a, 0}));
  EXPECT_EQ(graph.nodes()[1].output, b);
}

struct ExpectedParameter {
  std::string name;
  Shape shape;
  ParameterRole role;
  std::int64_t fan_in;
};

TEST(Graph, NamesParametersAsPyTorchWithShapeRoleAndFanIn) {
  Graph graph(6, 8, 8);
  TensorId x = graph.convolution("conv", graph.input(), 9, 5, 1, 3, 0, 0);
  x = graph.batch_norm("norm", x);
  graph.linear("head", graph.global_average_pool("pool", x), 4);
  const std::vector<ExpectedParameter> expected = {
      {"conv.weight", {9, 2, 5, 5}, ParameterRole::weight, 50}, {"conv.bias", {9}, ParameterRole::bias, 50},
      {"norm.weight", {9}, ParameterRole::norm_scale, 0},       {"norm.bias", {9}, ParameterRole::norm_shift, 0},
      {"head.weight", {4, 9}, ParameterRole::weight, 9},        {"head.bias", {4}, ParameterRole::bias, 9},
  };
  ASSERT_EQ(graph.parameters().size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const Parameter& parameter = graph.parameters()[i];
    EXPECT_EQ(parameter.name, expected[i].name);
    EXPECT_EQ(parameter.shape, expected[i].shape) << parameter.name;
    EXPECT_EQ(parameter.role, expected[i].role) << parameter.name;
    EXPECT_EQ(parameter.fan_in, expected[i].fan_in) << parameter.name;
  }
  const auto linear = std::get<Linear>(graph.nodes().back().operation);
  EXPECT_EQ(linear.weight, 4);
  EXPECT_EQ(linear.bias, 5);
  const auto convolution = std::get<Convolution>(graph.nodes().front().operation);
  EXPECT_EQ(convolution.weight, 0);
  EXPECT_EQ(convolution.bias, 1);
}

TEST(Graph, GivesBatchNormItsStatisticsAndPyTorchsConstants) {
  Graph graph(6, 8, 8);
  graph.batch_norm("a", graph.input());
  graph.batch_norm("b", graph.output(), 1e-3F, 0.01F);
  ASSERT_EQ(graph.statistics().size(), 4U);
  const char* const names[] = {"a.running_mean", "a.running_var", "b.running_mean", "b.running_var"};
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(graph.statistics()[i].name, names[i]);
    EXPECT_EQ(graph.statistics()[i].shape, Shape({6}));
    EXPECT_EQ(graph.statistics()[i].initial, i % 2 == 0 ? 0.0F : 1.0F) << names[i];
  }
  const auto a = std::get<BatchNorm>(graph.nodes()[0].operation);
  EXPECT_EQ(a.epsilon, 1e-5F);
  EXPECT_EQ(a.momentum, 0.1F);
  EXPECT_EQ(a.running_mean, 0);
  EXPECT_EQ(a.running_var, 1);
  const auto b = std::get<BatchNorm>(graph.nodes()[1].operation);
  EXPECT_EQ(b.epsilon, 1e-3F);
  EXPECT_EQ(b.momentum, 0.01F);
  EXPECT_EQ(b.scale, 2);
  EXPECT_EQ(b.shift, 3);
  EXPECT_EQ(b.running_mean, 2);
  EXPECT_EQ(b.running_var, 3);
}

TEST(Graph, CountsParametersAndMultiplyAdds) {
  Graph graph(3, 9, 7);
  TensorId x = graph.convolution("patches", graph.input(), 4, 2, 2, 1, 0, 0);  // to (4, 4, 3)
  x = graph.gelu("gelu", x);
  x = graph.batch_norm("norm", x);
  x = graph.convolution_same("depthwise", x, 4, 5, 4);
  x = graph.add("sum", x, x);
  x = graph.convolution_same("pointwise", x, 6, 1, 1);
  graph.linear("head", graph.global_average_pool("pool", x), 10);
  const std::vector<std::int64_t> expected = {
      4 * 4 * 3 * (3 * 2 * 2), 0, 0, 4 * 4 * 3 * (5 * 5), 0, 6 * 4 * 3 * 4, 0, 10 * 6,
  };
  ASSERT_EQ(graph.nodes().size(), expected.size());
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(multiply_adds(graph, graph.nodes()[i]), expected[i]) << graph.nodes()[i].name;
    sum += expected[i];
  }
  EXPECT_EQ(multiply_adds(graph), sum);
  EXPECT_EQ(sum, 576 + 1200 + 288 + 60);
  EXPECT_EQ(parameter_count(graph), (4 * 12 + 4) + (4 + 4) + (4 * 25 + 4) + (6 * 4 + 6) + (10 * 6 + 10));
}

TEST(Graph, HasTokensAndTheirParameters) {
  Graph graph(6, 2, 5);
  TensorId x = graph.position_embedding("pos_embed", graph.class_token("cls_token", graph.to_tokens("tokens", 0)));
  EXPECT_EQ(shape_of(graph, x), Shape({11, 6}));
  EXPECT_EQ(shape_of(graph, graph.transpose("turn", x)), Shape({6, 11}));
  EXPECT_EQ(shape_of(graph, graph.token_mean("mean", x)), Shape({6}));
  EXPECT_EQ(shape_of(graph, graph.token_mean("first", x, 0, 1)), Shape({6}));
  x = graph.linear("qkv", x, 24, Bias::without);
  EXPECT_EQ(multiply_adds(graph, graph.nodes().back()), 11 * 6 * 24);
  EXPECT_EQ(parameters_of(graph.nodes().back()), std::vector<ParameterId>{2});
  EXPECT_EQ(shape_of(graph, graph.attention("attention", x, 2)), Shape({11, 8}));
  EXPECT_EQ(multiply_adds(graph, graph.nodes().back()), 2 * 11 * 11 * 8);
  ASSERT_EQ(graph.parameters().size(), 3U);
  EXPECT_EQ(graph.parameters()[0].name, "cls_token");
  EXPECT_EQ(graph.parameters()[0].shape, Shape({1, 1, 6}));
  EXPECT_EQ(graph.parameters()[1].name, "pos_embed");
  EXPECT_EQ(graph.parameters()[1].shape, Shape({1, 11, 6}));
  EXPECT_EQ(graph.parameters()[1].role, ParameterRole::embedding);  // no weight decay, unlike weights
}

TEST(Graph, CountsTheWorkOfLargeNetworksIn64Bits) {
  Graph graph(1024, 256, 256);
  graph.convolution_same("pointwise", graph.input(), 1024, 1, 1);
  EXPECT_EQ(multiply_adds(graph), std::int64_t{1} << 36);
}

struct Refusal {
  std::string name;
  std::function<void()> build;
  std::string message;
};

std::vector<Refusal> refusals() {
  const auto convolution = [](int out_channels, int kernel, int stride, int groups, int begin, int end) {
    return [=] {
      Graph graph(6, 4, 5);
      graph.convolution("stem.0", graph.input(), out_channels, kernel, stride, groups, begin, end);
    };
  };
  const auto norm = [](float epsilon, float momentum) {
    return [=] {
      Graph graph(6, 4, 5);
      graph.batch_norm("norm", graph.input(), epsilon, momentum);
    };
  };
  const auto reading = [](void (*build)(Graph&, TensorId), TensorId tensor) {
    return [=] {
      Graph graph(6, 4, 5);
      graph.gelu("first", graph.input());
      build(graph, tensor);
    };
  };
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto on_vector = [](const std::function<void(Graph&, TensorId)>& build) {
    return [build] {
      Graph graph(6, 4, 5);
      build(graph, graph.global_average_pool("pool", graph.input()));
    };
  };
  const std::string needs_image = ": expected an input of shape (C, H, W), found (6)";
  const auto at_least = [](const std::string& rest) {
    return "stem.0: " + rest + " must be at least 1, padding 0 and 0 at least 0";
  };
  return {
      {"ImageOfTooManyPixels", [] { Graph(3, 1 << 30, 1 << 30); },
       "input: 3.46e+18 values of an image, expected at most 1.1e+12"},
      {"ConvolutionOfTooManyWeights",
       [] {
         Graph graph(1 << 20, 1, 1);
         graph.convolution_same("wide", graph.input(), 1 << 21, 1, 1);
       },
       "wide: 2.2e+12 weights, expected at most 1.1e+12"},
      {"ConvolutionOfTooManyOutputs",
       [] {
         Graph graph(1, 1 << 15, 1 << 15);
         graph.convolution_same("wide", graph.input(), 1 << 11, 1, 1);
       },
       "wide: 2.2e+12 values of its output, expected at most 1.1e+12"},
      {"ConvolutionOfTooMuchWork",
       [] {
         Graph graph(1 << 10, 1 << 14, 1 << 14);
         graph.convolution_same("slow", graph.input(), 1 << 11, 1, 1);
       },
       "slow: 5.63e+14 multiply-adds for an image, expected at most 2.81e+14"},
      {"KernelBeyondCounting",
       [] {
         Graph graph(6, 4, 5);
         graph.convolution("stem", graph.input(), 6, 1 << 30, 1, 1, 1 << 30, 1 << 30);
       },
       "stem: 4.15e+19 weights, expected at most 1.1e+12"},
      {"SameConvolutionOfTheLeastKernel",
       [] {
         Graph graph(6, 4, 5);
         graph.convolution_same("stem.0", graph.input(), 6, std::numeric_limits<int>::min(), 1);
       },
       at_least("channels 6, kernel -2147483648, stride 1 and groups 1")},
      {"LinearOfTooManyWeights",
       on_vector([](Graph& graph, TensorId x) { graph.linear("head", graph.linear("wide", x, 1 << 30), 1 << 30); }),
       "head: 1.15e+18 weights, expected at most 1.1e+12"},
      {"TwoNodesOfOneName", reading([](Graph& graph, TensorId /*none*/) { graph.gelu("first", graph.input()); }, 0),
       "first: there is a node of this name already, expected another name"},
      {"TwoNormsOfOneName",
       [] {
         Graph graph(6, 4, 5);
         graph.batch_norm("norm", graph.batch_norm("norm", graph.input()));
       },
       "norm: there is a node of this name already, expected another name"},
      {"TwoParametersOfOneName",
       [] {
         Graph graph(6, 4, 5);
         TensorId x = graph.to_tokens("tokens", graph.input());
         x = graph.linear("first", x, 4);
         graph.position_embedding("first.weight", x);
       },
       "first.weight: there is a parameter first.weight already, expected another name"},
      {"TwoParametersOfOneNameTheOtherWayRound",
       [] {
         Graph graph(6, 4, 5);
         const TensorId x = graph.to_tokens("tokens", graph.input());
         graph.linear("first", graph.position_embedding("first.weight", x), 4);
       },
       "first: there is a parameter first.weight already, expected another name"},
      {"WorkOfANodeOfAnotherGraph",
       [] {
         Graph graph(6, 4, 5);
         graph.gelu("first", graph.input());
         Graph other(6, 4, 5);
         other.convolution_same("second", other.input(), 6, 1, 1);
         (void)multiply_adds(graph, other.nodes().front());
       },
       "second: a node of another graph"},
      {"ImageWithoutChannels", [] { Graph(0, 4, 5); }, "input: an image of shape (0, 4, 5) has no pixels"},
      {"ImageWithoutRows", [] { Graph(3, 0, 5); }, "input: an image of shape (3, 0, 5) has no pixels"},
      {"ImageOfNegativeWidth", [] { Graph(3, 4, -1); }, "input: an image of shape (3, 4, -1) has no pixels"},
      {"ConvolutionWithoutChannels", convolution(0, 1, 1, 1, 0, 0),
       at_least("channels 0, kernel 1, stride 1 and groups 1")},
      {"ConvolutionWithoutKernel", convolution(6, 0, 1, 1, 0, 0),
       at_least("channels 6, kernel 0, stride 1 and groups 1")},
      {"ConvolutionWithoutStride", convolution(6, 1, 0, 1, 0, 0),
       at_least("channels 6, kernel 1, stride 0 and groups 1")},
      {"ConvolutionWithoutGroups", convolution(6, 1, 1, 0, 0, 0),
       at_least("channels 6, kernel 1, stride 1 and groups 0")},
      {"ConvolutionWithNegativePaddingBefore", convolution(6, 1, 1, 1, -1, 0),
       "stem.0: channels 6, kernel 1, stride 1 and groups 1 must be at least 1, padding -1 and 0 at least 0"},
      {"ConvolutionWithNegativePaddingAfter", convolution(6, 1, 1, 1, 0, -2),
       "stem.0: channels 6, kernel 1, stride 1 and groups 1 must be at least 1, padding 0 and -2 at least 0"},
      {"GroupsThatDoNotDivideTheInput", convolution(8, 1, 1, 4, 0, 0),
       "stem.0: 6 input and 8 output channels can't be split evenly into 4 groups"},
      {"GroupsThatDoNotDivideTheOutput", convolution(8, 1, 1, 3, 0, 0),
       "stem.0: 6 input and 8 output channels can't be split evenly into 3 groups"},
      {"KernelHigherThanTheImage", convolution(6, 5, 1, 1, 0, 0),
       "stem.0: a kernel of 5x5 does not fit into an image of 4x5 with padding 0 and 0"},
      {"KernelWiderThanThePaddedImage", convolution(6, 8, 1, 1, 1, 1),
       "stem.0: a kernel of 8x8 does not fit into an image of 4x5 with padding 1 and 1"},
      {"ConvolutionOfAVector",
       on_vector([](Graph& graph, TensorId x) { graph.convolution("conv", x, 6, 1, 1, 1, 0, 0); }),
       "conv" + needs_image},
      {"SameConvolutionOfAVector",
       on_vector([](Graph& graph, TensorId x) { graph.convolution_same("conv", x, 6, 1, 1); }), "conv" + needs_image},
      {"BatchNormOfAVector", on_vector([](Graph& graph, TensorId x) { graph.batch_norm("norm", x); }),
       "norm" + needs_image},
      {"PoolingOfAVector", on_vector([](Graph& graph, TensorId x) { graph.global_average_pool("again", x); }),
       "again" + needs_image},
      {"SumOfDifferentShapes", on_vector([](Graph& graph, TensorId x) { graph.add("residual", graph.input(), x); }),
       "residual: the shapes (6, 4, 5) and (6) can't be added"},
      {"LinearOfAnImage",
       [] {
         Graph graph(6, 4, 5);
         graph.linear("head", graph.input(), 10);
       },
       "head: expected an input of shape (C) or (T, D), found (6, 4, 5)"},
      {"LinearWithoutOutputs", on_vector([](Graph& graph, TensorId x) { graph.linear("head", x, 0); }),
       "head: 0 output features, expected at least 1"},
      {"TransposeOfAnImage",
       [] {
         Graph graph(6, 4, 5);
         graph.transpose("turn", graph.input());
       },
       "turn: expected an input of shape (T, D), found (6, 4, 5)"},
      {"MeanOfNoTokens",
       [] {
         Graph graph(6, 4, 5);
         graph.token_mean("mean", graph.to_tokens("tokens", graph.input()), 2, 2);
       },
       "mean: tokens 2 to before 2: expected some of 20 tokens"},
      {"AttentionThatHeadsDoNotDivide",
       [] {
         Graph graph(12, 4, 5);
         graph.attention("attention", graph.to_tokens("tokens", graph.input()), 3);
       },
       "attention: 12 features can't be split evenly into queries, keys and values of 3 heads"},
      {"TokensOfAVector", on_vector([](Graph& graph, TensorId x) { graph.to_tokens("tokens", x); }),
       "tokens" + needs_image},
      {"LayerNormWithoutEpsilon", on_vector([](Graph& graph, TensorId x) { graph.layer_norm("norm", x, 0.0F); }),
       "norm: epsilon = 0: expected a number above 0"},
      {"InitialisationOfNoParameter",
       on_vector([](Graph& graph, TensorId /*x*/) { graph.set_initialisation("head.weight", {}); }),
       "initialisation: head.weight: no parameter of this name"},
      {"InitialisationOfANegativeDeviation", on_vector([](Graph& graph, TensorId x) {
         graph.layer_norm("norm", x);
         graph.set_initialisation("norm.weight", {Initialisation::Distribution::normal, -1.0F});
       }),
       "initialisation: norm.weight: scale -1, expected a number of at least 0"},
      {"NormWithoutEpsilon", norm(0.0F, 0.1F), "norm: epsilon = 0: expected a number above 0"},
      {"NormOfNoEpsilon", norm(nan, 0.1F), "norm: epsilon = nan: expected a number above 0"},
      {"NormWithTooMuchMomentum", norm(1e-5F, 1.5F), "norm: momentum = 1.5: expected a number from 0 to 1"},
      {"NormOfNoMomentum", norm(1e-5F, nan), "norm: momentum = nan: expected a number from 0 to 1"},
      {"GroupsThatDontDivideTheChannels",
       [] {
         Graph graph(6, 4, 5);
         graph.group_norm("norm", graph.input(), 4);
       },
       "norm: 6 channels can't be split evenly into 4 groups"},
      {"GroupNormOfAVector", on_vector([](Graph& graph, TensorId x) { graph.group_norm("again", x, 1); }),
       "again" + needs_image},
      {"PoolingPaddedByMoreThanHalfAWindow",
       [] {
         Graph graph(6, 4, 5);
         graph.max_pool("pool", graph.input(), 3, 2, 2);
       },
       "pool: kernel 3 and stride 2 must be at least 1, padding 2 from 0 to half of the kernel"},
      {"PoolingLargerThanTheImage",
       [] {
         Graph graph(6, 4, 5);
         graph.max_pool("pool", graph.input(), 5, 1, 0);
       },
       "pool: a window of 5x5 does not fit into an image of 4x5 with padding 0"},
      {"DropoutOfEverything", on_vector([](Graph& graph, TensorId x) { graph.dropout("drop", x, 1.0F); }),
       "drop: rate = 1: expected a number from 0 to below 1"},
      {"DropPathOfNoRate", on_vector([nan](Graph& graph, TensorId x) { graph.drop_path("path", x, nan); }),
       "path: rate = nan: expected a number from 0 to below 1"},
      {"GeluOfATensorToCome", reading([](Graph& graph, TensorId x) { graph.gelu("gelu", x); }, 2),
       "gelu: no tensor 2 to read, expected 0 to 1"},
      {"ConvolutionOfATensorToCome",
       reading([](Graph& graph, TensorId x) { graph.convolution_same("conv", x, 6, 3, 1); }, 3),
       "conv: no tensor 3 to read, expected 0 to 1"},
      {"SumWithATensorToCome", reading([](Graph& graph, TensorId x) { graph.add("sum", 0, x); }, 2),
       "sum: no tensor 2 to read, expected 0 to 1"},
      {"LinearOfANegativeTensor", reading([](Graph& graph, TensorId x) { graph.linear("head", x, 10); }, -1),
       "head: no tensor -1 to read, expected 0 to 1"},
  };
}

class GraphRefuses : public testing::TestWithParam<Refusal> {};

TEST_P(GraphRefuses, NamingTheNodeAndWhatIsWrong) {
  const Error error = error_of(GetParam().build);
  EXPECT_EQ(error.kind(), ErrorKind::usage);
  EXPECT_EQ(std::string(error.what()), GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(All, GraphRefuses, testing::ValuesIn(refusals()),
                         [](const auto& refusal) { return refusal.param.name; });

TEST(Graph, IsUnchangedByARefusal) {
  Graph graph(6, 4, 5);
  EXPECT_THROW(graph.convolution("conv", graph.input(), 6, 9, 1, 1, 0, 0), Error);
  EXPECT_THROW(graph.linear("head", graph.input(), 10), Error);
  EXPECT_EQ(graph.tensors().size(), 1U);
  EXPECT_TRUE(graph.nodes().empty());
  EXPECT_TRUE(graph.parameters().empty());
}

}  // namespace
}  // namespace convmixer
