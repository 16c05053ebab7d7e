// What fused plans find in a graph: ConvMixers of every size, and what others lack to be one.
#include "plan/fused/stage_chain.hpp"

#include "convmixer/model/convmixer.hpp"
#include "convmixer/model/registry.hpp"
#include "support/convmixer_config.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace convmixer {
namespace {

TEST(StageChain, IsFoundInConvMixersOfEverySize) {
  constexpr auto model = testing_support::convmixer_config;
  for (const ConvMixerConfig& m : {model(8, 1, 3, 1, 5), model(20, 2, 4, 2, 11), model(257, 1, 7, 3, 12),
                                   model(16, 1, 1, 1, 3), model(40, 12, 9, 4, 33)}) {
    SCOPED_TRACE(std::to_string(m.dim) + " channels, " + std::to_string(m.depth) + " blocks");
    std::string why_not = "as it was";
    const auto chain = find_stage_chain(make_convmixer(m), &why_not);
    ASSERT_TRUE(chain) << why_not;
    EXPECT_EQ(why_not, "");
    EXPECT_EQ(chain->image, (Shape{3, m.image_size, m.image_size}));
    EXPECT_EQ(chain->stem.in_channels, 3U);
    EXPECT_EQ(chain->stem.out_channels, static_cast<std::size_t>(m.dim));
    EXPECT_EQ(chain->stem.convolution.kernel, m.patch_size);
    EXPECT_EQ(chain->stem.convolution.stride, m.patch_size);
    EXPECT_EQ(chain->height, static_cast<std::size_t>(m.image_size / m.patch_size));
    EXPECT_EQ(chain->width, static_cast<std::size_t>(m.image_size / m.patch_size));
    EXPECT_EQ(chain->blocks.size(), static_cast<std::size_t>(m.depth));
    for (const MixerBlock& block : chain->blocks) {
      EXPECT_EQ(block.depthwise.convolution.kernel, m.kernel_size);
      EXPECT_EQ(block.depthwise.convolution.groups, m.dim);
      EXPECT_EQ(block.pointwise.convolution.kernel, 1);
      for (const ConvolutionStage& stage : {block.depthwise, block.pointwise}) {
        EXPECT_EQ(stage.in_channels, static_cast<std::size_t>(m.dim));
        EXPECT_EQ(stage.out_channels, static_cast<std::size_t>(m.dim));
      }
    }
    EXPECT_EQ(chain->classes, 7U);
  }
}

TEST(StageChain, KnowsItsPartsByTheirNamesAndParameters) {
  const Graph graph = make_convmixer(
      {.dim = 16, .depth = 2, .kernel_size = 3, .patch_size = 2, .image_size = 8, .channels = 3, .classes = 4});
  const auto chain = find_stage_chain(graph);
  ASSERT_TRUE(chain);
  EXPECT_EQ(chain->stem.name, "stem.0");
  EXPECT_EQ(chain->stem.norm_name, "stem.2");
  EXPECT_EQ(chain->blocks[1].depthwise.name, "blocks.1.0.fn.0");
  EXPECT_EQ(chain->blocks[1].depthwise.norm_name, "blocks.1.0.fn.2");
  EXPECT_EQ(chain->blocks[1].pointwise.name, "blocks.1.1");
  EXPECT_EQ(chain->blocks[1].pointwise.norm_name, "blocks.1.3");
  EXPECT_EQ(chain->pool_name, "pooling");
  EXPECT_EQ(chain->head_name, "head");
  const auto name = [&](ParameterId id) { return graph.parameters()[static_cast<std::size_t>(id)].name; };
  EXPECT_EQ(name(chain->stem.convolution.weight), "stem.0.weight");
  EXPECT_EQ(name(chain->blocks[0].depthwise.convolution.bias), "blocks.0.0.fn.0.bias");
  EXPECT_EQ(name(chain->blocks[1].pointwise.norm.scale), "blocks.1.3.weight");
  EXPECT_EQ(name(chain->head.weight), "head.weight");
}

/// What follows where a stage breaks off.
constexpr const char* kOrder = ": each stage is convolution, GELU or ReLU, batch norm, in this order";

/// A network of one block on 16 channels, one of whose pieces may be another than fused stages can run.
struct Network {
  int stem_groups = 1;
  int depthwise_channels = 16;
  int depthwise_groups = 16;
  int depthwise_stride = 1;
  int depthwise_padding = 2;  ///< in all, for a kernel of 3
  int pointwise_channels = 16;
  int pointwise_kernel = 1;
  int pointwise_stride = 1;
  int pointwise_groups = 1;
  int pointwise_padding = 0;  ///< in all
  bool residual = true;
  bool residual_first = false;  ///< as the sum's first operand
  bool residual_before_norm = false;
  bool pointwise_residual = false;
  bool pointwise_residual_of_block = false;  ///< of the block's input instead of the pointwise half's
};

/// Adds convolution, GELU and norm; returns the norm's output and, if asked, the GELU's.
TensorId add_stage(Graph& graph, const std::string& name, TensorId x, int channels, int kernel, int stride, int groups,
                   int padding, TensorId* gelu = nullptr) {
  x = graph.convolution(name, x, channels, kernel, stride, groups, padding / 2, padding - padding / 2);
  x = graph.gelu(name + ".gelu", x);
  if (gelu != nullptr) *gelu = x;
  return graph.batch_norm(name + ".norm", x);
}

TensorId add_stem(Graph& graph, const Network& network, TensorId* gelu = nullptr) {
  return add_stage(graph, "stem", graph.input(), 16, 2, 2, network.stem_groups, 0, gelu);
}

TensorId add_block(Graph& graph, const Network& network, TensorId x, TensorId gelu) {
  TensorId branch = add_stage(graph, "depthwise", x, network.depthwise_channels, 3, network.depthwise_stride,
                              network.depthwise_groups, network.depthwise_padding);
  const TensorId trunk = network.residual_before_norm ? gelu : x;
  if (network.residual) {
    branch = network.residual_first ? graph.add("sum", trunk, branch) : graph.add("sum", branch, trunk);
  }
  const TensorId y = add_stage(graph, "pointwise", branch, network.pointwise_channels, network.pointwise_kernel,
                               network.pointwise_stride, network.pointwise_groups, network.pointwise_padding);
  if (!network.pointwise_residual) return y;
  return graph.add("second sum", y, network.pointwise_residual_of_block ? x : branch);
}

void add_head(Graph& graph, TensorId x) { graph.linear("head", graph.global_average_pool("pool", x), 4); }

/// What a graph lacks that `build` has filled, after an image of 4 channels and 8 x 8 pixels.
std::string why_not(const std::function<void(Graph&)>& build) {
  Graph graph(4, 8, 8);
  build(graph);
  std::string reason;
  const bool found = find_stage_chain(graph, &reason).has_value();
  EXPECT_EQ(found, reason.empty());
  return reason;
}

std::string why_not(const Network& network) {
  return why_not([&](Graph& graph) {
    TensorId gelu = 0;
    const TensorId x = add_stem(graph, network, &gelu);
    add_head(graph, add_block(graph, network, x, gelu));
  });
}

TEST(StageChain, IsFoundWithTheSumsOperandsInEitherOrder) {
  EXPECT_EQ(why_not(Network{}), "");
  EXPECT_EQ(why_not({.residual_first = true}), "");
}

TEST(StageChain, NeedsAStemWithoutGroups) {
  EXPECT_EQ(why_not({.stem_groups = 2}), "the first convolution, 'stem', has groups");
}

TEST(StageChain, NeedsConvolutionGeluAndNormInThisOrder) {
  const auto reason = [](const std::vector<std::string>& stem) {
    return why_not([&](Graph& graph) {
      TensorId x = graph.input();
      for (const std::string& node : stem) {
        if (node == "convolution") x = graph.convolution(node, x, 16, 2, 2, 1, 0, 0);
        if (node == "gelu") x = graph.gelu(node, x);
        if (node.starts_with("norm")) x = graph.batch_norm(node, x);
      }
      if (stem.front() == "convolution") add_head(graph, add_block(graph, {}, x, x));
    });
  };
  EXPECT_EQ(reason({"convolution", "gelu", "norm"}), "");
  const std::string order = kOrder;
  EXPECT_EQ(reason({"gelu", "norm"}), "at node 'gelu' fused stages need a convolution with bias" + order);
  EXPECT_EQ(reason({"convolution", "norm"}), "at node 'norm' fused stages need GELU or ReLU" + order);
  EXPECT_EQ(reason({"convolution", "gelu"}), "at node 'depthwise' fused stages need batch norm" + order);
  EXPECT_EQ(reason({"convolution", "norm", "gelu"}), "at node 'norm' fused stages need GELU or ReLU" + order);
  EXPECT_EQ(reason({"convolution", "gelu", "norm", "norm 2"}),
            "at node 'norm 2' fused stages need a depthwise convolution with bias, or the average pooling" + order);
}

TEST(StageChain, SaysOfEveryModelThatIsNoneWhatItNeedsThere) {
  const std::string order = kOrder;
  const auto reason = [](const ModelConfig& model) {
    std::string text;
    EXPECT_FALSE(find_stage_chain(make_graph(model), &text));
    return text;
  };
  EXPECT_EQ(reason(ResNetConfig{}), "at node 'conv1' fused stages need a convolution with bias" + order);
  EXPECT_EQ(reason(VitConfig{}), "at node 'patch_embed.flatten' fused stages need GELU or ReLU" + order);
  EXPECT_EQ(reason(MlpMixerConfig{}), "at node 'stem.flatten' fused stages need GELU or ReLU" + order);
  using Config = ConvMixerConfig;
  for (const Config::Norm norm : {Config::Norm::layer, Config::Norm::group})
    EXPECT_EQ(reason(Config{.norm = norm}), "at node 'stem.2' fused stages need batch norm" + order);
  EXPECT_EQ(reason(Config{.dropout = 0.1F}), "node 'head_drop' drops values in training, which fused stages can't");
  EXPECT_EQ(reason(Config{.drop_path = 0.1F}),
            "node 'blocks.1.0.drop_path' drops values in training, which fused stages can't");
}

TEST(StageChain, NeedsDepthwiseConvolutionsThatKeepTheImagesSize) {
  const std::string expected = "'depthwise' is no depthwise convolution that keeps the image's size";
  EXPECT_EQ(why_not({.depthwise_groups = 8}), expected);
  EXPECT_EQ(why_not({.depthwise_channels = 32, .residual = false}), expected);
  EXPECT_EQ(why_not({.depthwise_stride = 2, .residual = false}), expected);
  EXPECT_EQ(why_not({.depthwise_padding = 0, .residual = false}), expected);
}

TEST(StageChain, HasTheActivationsAndResidualsOfTheNetwork) {
  using Config = ConvMixerConfig;
  const auto chain_of = [](const Config& config) { return find_stage_chain(make_convmixer(config)).value(); };
  const StageChain usual = chain_of({.dim = 16, .depth = 2});
  const StageChain other =
      chain_of({.dim = 16, .depth = 2, .activation = Config::Activation::relu, .residual = Config::Residual::none});
  EXPECT_EQ(usual.stem.activation, kernels::StageActivation::gelu);
  EXPECT_EQ(other.stem.activation, kernels::StageActivation::relu);
  EXPECT_EQ(other.blocks[1].depthwise.activation, kernels::StageActivation::relu);
  EXPECT_EQ(other.blocks[1].pointwise.activation, kernels::StageActivation::relu);
  const StageChain both = chain_of({.dim = 16, .depth = 2, .residual = Config::Residual::both});
  const auto residuals = [](const StageChain& chain) {
    return std::pair(chain.blocks[1].depthwise_residual, chain.blocks[1].pointwise_residual);
  };
  EXPECT_EQ(residuals(usual), std::pair(true, false));
  EXPECT_EQ(residuals(other), std::pair(false, false));
  EXPECT_EQ(residuals(both), std::pair(true, true));
}

TEST(StageChain, LeavesOutForInferenceWhatDropsNothingThere) {
  const Graph graph = make_convmixer({.dim = 16, .depth = 2, .dropout = 0.1F, .drop_path = 0.1F});
  EXPECT_FALSE(find_stage_chain(graph));
  const auto chain = find_stage_chain(graph, nullptr, PlanMode::inference);
  ASSERT_TRUE(chain);
  EXPECT_EQ(chain->blocks.size(), 2U);
  EXPECT_TRUE(chain->blocks[1].depthwise_residual);
}

TEST(StageChain, NeedsTheResidualToBeTheBlocksInput) {
  EXPECT_EQ(why_not({.residual = false}), "");
  EXPECT_EQ(why_not({.residual_before_norm = true}),
            "at node 'sum' fused stages need the sum of the block's input and its depthwise half");
  EXPECT_EQ(why_not({.pointwise_residual = true}), "");
  EXPECT_EQ(why_not({.residual = false, .pointwise_residual = true}), "");
  EXPECT_EQ(why_not({.pointwise_residual = true, .pointwise_residual_of_block = true}),
            "at node 'second sum' fused stages need the sum of the pointwise half's input and its output");
}

TEST(StageChain, NeedsPointwiseConvolutionsThatKeepTheChannels) {
  const std::string expected = "'pointwise' is no pointwise convolution";
  EXPECT_EQ(why_not({.pointwise_kernel = 3}), expected);
  EXPECT_EQ(why_not({.pointwise_kernel = 3, .pointwise_padding = 2}), expected);
  EXPECT_EQ(why_not({.pointwise_stride = 2}), expected);
  EXPECT_EQ(why_not({.pointwise_groups = 2}), expected);
  EXPECT_EQ(why_not({.pointwise_padding = 2}), expected);
  EXPECT_EQ(why_not({.pointwise_channels = 32}),
            "'pointwise' makes 32 channels of 16; fused stages need the same number in all blocks");
}

TEST(StageChain, NeedsAPointwiseStageAfterTheSum) {
  EXPECT_EQ(why_not([](Graph& graph) {
              const TensorId x = add_stem(graph, {});
              add_head(graph, graph.add("sum", add_stage(graph, "depthwise", x, 16, 3, 1, 16, 2), x));
            }),
            std::string("at node 'pool' fused stages need a pointwise convolution with bias") + kOrder);
}

TEST(StageChain, NeedsABlockPoolingAndOneLinearLayer) {
  EXPECT_EQ(why_not([](Graph& graph) { add_head(graph, add_stem(graph, {})); }),
            "fused stages need at least one block");
  EXPECT_EQ(why_not([](Graph& graph) { add_block(graph, {}, add_stem(graph, {}), 0); }),
            std::string("the network ends where fused stages need a depthwise convolution with bias, or the average "
                        "pooling") +
                kOrder);
  EXPECT_EQ(
      why_not([](Graph& graph) { graph.global_average_pool("pool", add_block(graph, {}, add_stem(graph, {}), 0)); }),
      "the network ends where fused stages need a linear layer");
  EXPECT_EQ(why_not([](Graph& graph) {
              const TensorId x = add_block(graph, {}, add_stem(graph, {}), 0);
              graph.linear("second", graph.linear("head", graph.global_average_pool("pool", x), 4), 4);
            }),
            "at node 'second' fused stages need the end of the network");
  EXPECT_EQ(why_not([](Graph& graph) {
              const TensorId x = add_block(graph, {}, add_stem(graph, {}), 0);
              graph.linear("head", graph.global_average_pool("pool", x), 4, Bias::without);
            }),
            "the linear layer, 'head', has no bias");
}

TEST(StageChain, NeedsOneOutputAlone) {
  // A second classifier reads the pooled channels too.
  EXPECT_EQ(why_not([](Graph& graph) {
              const TensorId pooled = graph.global_average_pool("pool", add_block(graph, {}, add_stem(graph, {}), 0));
              graph.linear("head", pooled, 4);
              graph.linear("second", pooled, 4);
            }),
            "at node 'second' fused stages need the end of the network");
  // The pooling reads the stem's output and leaves the block's aside.
  EXPECT_EQ(why_not([](Graph& graph) {
              const TensorId x = add_stem(graph, {});
              add_block(graph, {}, x, 0);
              add_head(graph, x);
            }),
            std::string("at node 'pool' fused stages need a depthwise convolution with bias, or the average pooling") +
                kOrder);
}

TEST(StageChain, NeedsAWholeNetwork) {
  EXPECT_EQ(why_not([](Graph& /*graph*/) {}),
            std::string("the network ends where fused stages need a convolution with bias") + kOrder);
}

}  // namespace
}  // namespace convmixer
