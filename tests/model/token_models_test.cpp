// MLP-Mixer and ViT: their names, sizes, beginnings and files. What they compute: golden_test.
#include "convmixer/checkpoint/checkpoint.hpp"
#include "convmixer/graph/parameters.hpp"
#include "convmixer/io/safetensors.hpp"
#include "convmixer/model/model_file.hpp"
#include "convmixer/model/registry.hpp"
#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <variant>
#include <vector>

namespace convmixer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::error_of;

std::vector<std::string> parameter_names(const Graph& graph) {
  std::vector<std::string> names;
  for (const Parameter& parameter : graph.parameters())
    names.push_back(parameter.name + " " + parameter.shape.to_string());
  return names;
}

TEST(MlpMixer, HasTimmsNamesAndShapes) {
  EXPECT_THAT(
      parameter_names(make_mlp_mixer({.dim = 8, .depth = 1, .patch_size = 4, .token_dim = 5, .channel_dim = 12})),
      ElementsAre("stem.proj.weight (8, 3, 4, 4)", "stem.proj.bias (8)", "blocks.0.norm1.weight (8)",
                  "blocks.0.norm1.bias (8)", "blocks.0.mlp_tokens.fc1.weight (5, 64)",
                  "blocks.0.mlp_tokens.fc1.bias (5)", "blocks.0.mlp_tokens.fc2.weight (64, 5)",
                  "blocks.0.mlp_tokens.fc2.bias (64)", "blocks.0.norm2.weight (8)", "blocks.0.norm2.bias (8)",
                  "blocks.0.mlp_channels.fc1.weight (12, 8)", "blocks.0.mlp_channels.fc1.bias (12)",
                  "blocks.0.mlp_channels.fc2.weight (8, 12)", "blocks.0.mlp_channels.fc2.bias (8)", "norm.weight (8)",
                  "norm.bias (8)", "head.weight (10, 8)", "head.bias (10)"));
}

TEST(Vit, HasTimmsNamesAndShapes) {
  EXPECT_THAT(parameter_names(make_vit({.dim = 6, .depth = 1, .heads = 2, .mlp_dim = 9, .patch_size = 8})),
              ElementsAre("patch_embed.proj.weight (6, 3, 8, 8)", "patch_embed.proj.bias (6)", "cls_token (1, 1, 6)",
                          "pos_embed (1, 17, 6)", "blocks.0.norm1.weight (6)", "blocks.0.norm1.bias (6)",
                          "blocks.0.attn.qkv.weight (18, 6)", "blocks.0.attn.qkv.bias (18)",
                          "blocks.0.attn.proj.weight (6, 6)", "blocks.0.attn.proj.bias (6)",
                          "blocks.0.norm2.weight (6)", "blocks.0.norm2.bias (6)", "blocks.0.mlp.fc1.weight (9, 6)",
                          "blocks.0.mlp.fc1.bias (9)", "blocks.0.mlp.fc2.weight (6, 9)", "blocks.0.mlp.fc2.bias (6)",
                          "norm.weight (6)", "norm.bias (6)", "head.weight (10, 6)", "head.bias (10)"));
}

TEST(Vit, OfMeansNormalisesThemAndMayDoWithoutAClassToken) {
  const auto names = [](bool class_token) {
    return parameter_names(make_vit({.dim = 6,
                                     .depth = 1,
                                     .heads = 2,
                                     .patch_size = 8,
                                     .pooling = TokenPooling::mean,
                                     .class_token = class_token}));
  };
  EXPECT_THAT(names(true),
              testing::IsSupersetOf({"cls_token (1, 1, 6)", "pos_embed (1, 17, 6)", "fc_norm.weight (6)"}));
  EXPECT_THAT(names(false), testing::IsSupersetOf({"pos_embed (1, 16, 6)", "fc_norm.weight (6)"}));
  EXPECT_THAT(names(false), testing::Not(testing::Contains("norm.weight (6)")));
  EXPECT_THAT(names(false), testing::Not(testing::Contains("cls_token (1, 1, 6)")));
}

TEST(Vit, TakesTheMeanOfThePatchesTokensAndNotOfTheClassToken) {
  for (const bool class_token : {false, true}) {
    const Graph graph = make_vit(
        {.dim = 6, .depth = 1, .heads = 2, .patch_size = 8, .pooling = TokenPooling::mean, .class_token = class_token});
    const auto node = std::ranges::find(graph.nodes(), "pooling", &Node::name);
    ASSERT_NE(node, graph.nodes().end());
    const auto& mean = std::get<TokenMean>(node->operation);
    EXPECT_EQ(mean.begin, class_token ? 1 : 0);
    EXPECT_EQ(mean.end, class_token ? 17 : 16);
  }
}

TEST(TokenModels, HaveThePublishedNumbersOfParameters) {
  // timm's mixer_b16_224, vit_tiny_patch16_224 and vit_base_patch16_224.
  EXPECT_EQ(parameter_count(make_mlp_mixer({.dim = 768,
                                            .depth = 12,
                                            .patch_size = 16,
                                            .token_dim = 384,
                                            .channel_dim = 3072,
                                            .image_size = 224,
                                            .classes = 1000})),
            59880472);
  const auto vit = [](int dim, int heads) {
    return parameter_count(make_vit({.dim = dim,
                                     .depth = 12,
                                     .heads = heads,
                                     .mlp_dim = 4 * dim,
                                     .patch_size = 16,
                                     .image_size = 224,
                                     .classes = 1000}));
  };
  EXPECT_EQ(vit(192, 3), 5717416);
  EXPECT_EQ(vit(768, 12), 86567656);
}

TEST(TokenModels, HaveAboutAsManyMultiplyAddsAsTheDefaultConvMixer) {
  const auto convmixer = static_cast<double>(multiply_adds(make_convmixer({})));
  EXPECT_NEAR(static_cast<double>(multiply_adds(make_mlp_mixer({}))) / convmixer, 1.0, 0.25);
  EXPECT_NEAR(static_cast<double>(multiply_adds(make_vit({}))) / convmixer, 1.0, 0.25);
}

/// Standard deviation from 0 of a parameter's first values.
double deviation(const Graph& graph, const std::string& name) {
  Parameters parameters(graph);
  parameters.initialise(5);
  const auto found = std::ranges::find(graph.parameters(), name, &Parameter::name);
  double squares = 0.0;
  const auto values = parameters.value(static_cast<ParameterId>(found - graph.parameters().begin()));
  for (const float value : values) squares += static_cast<double>(value) * static_cast<double>(value);
  return std::sqrt(squares / static_cast<double>(values.size()));
}

TEST(TokenModels, BeginAsTimms) {
  const Graph mixer = make_mlp_mixer({.dim = 64, .depth = 1, .token_dim = 32, .channel_dim = 128});
  const auto expect = [](const Graph& graph, const std::string& name, double expected) {
    EXPECT_NEAR(deviation(graph, name), expected, 0.06 * expected) << name;
  };
  expect(mixer, "stem.proj.weight", 1.0 / std::sqrt(48.0));
  expect(mixer, "blocks.0.mlp_tokens.fc1.weight", std::sqrt(2.0 / (64 + 32)));
  expect(mixer, "blocks.0.mlp_channels.fc2.weight", std::sqrt(2.0 / (64 + 128)));
  EXPECT_LT(deviation(mixer, "blocks.0.mlp_channels.fc1.bias"), 2e-6);
  for (const char* zero : {"stem.proj.bias", "head.weight", "head.bias"})
    EXPECT_EQ(deviation(mixer, zero), 0.0) << zero;

  const Graph vit = make_vit({.dim = 60, .depth = 1});
  for (const char* weight : {"blocks.0.attn.qkv.weight", "blocks.0.mlp.fc2.weight", "pos_embed"})
    expect(vit, weight, 0.02);
  expect(vit, "patch_embed.proj.weight", 1.0 / std::sqrt(3.0 * 48.0));
  EXPECT_LT(deviation(vit, "cls_token"), 2e-6);
  for (const char* zero : {"blocks.0.attn.qkv.bias", "head.bias"}) EXPECT_EQ(deviation(vit, zero), 0.0) << zero;
}

TEST(TokenModels, DropMoreBranchesTheLaterTheyComeAndNoneByDefault) {
  const auto rates = [](const Graph& graph) {
    std::vector<float> found;
    for (const Node& node : graph.nodes()) {
      if (const auto* const path = std::get_if<DropPath>(&node.operation)) found.push_back(path->rate);
      if (const auto* const dropout = std::get_if<Dropout>(&node.operation)) found.push_back(dropout->rate);
    }
    return found;
  };
  const auto expected = ElementsAre(0.2F, 0.2F, 0.4F, 0.4F, 0.1F);
  EXPECT_THAT(rates(make_mlp_mixer({.depth = 3, .dropout = 0.1F, .drop_path = 0.4F})), expected);
  EXPECT_THAT(rates(make_vit({.depth = 3, .dropout = 0.1F, .drop_path = 0.4F})), expected);
  EXPECT_THAT(rates(make_mlp_mixer({})), testing::IsEmpty());
  EXPECT_THAT(rates(make_vit({})), testing::IsEmpty());
}

TEST(TokenModels, RefuseWhatDoesNotGoTogether) {
  EXPECT_STREQ(error_of([] { (void)make_vit({.dim = 64, .heads = 5}); }).what(),
               "heads = 5: expected a number that divides dim = 64");
  EXPECT_STREQ(error_of([] { (void)make_vit({.class_token = false}); }).what(),
               "pooling = token: expected a class-token to read, or pooling = mean");
  EXPECT_STREQ(error_of([] { (void)make_mlp_mixer({.patch_size = 8, .image_size = 7}); }).what(),
               "patch-size = 8: a patch does not fit into an image of 7x7");
}

/// A weights file of our own or, without metadata, of another program.
class TokenModelFile : public testing::Test {
 protected:
  void save(const ModelConfig& model) {
    const Graph graph = make_graph(model);
    Parameters parameters(graph);
    parameters.initialise(1);
    CheckpointInfo info;
    info.model = model;
    save_weights(path_, parameters, info);
  }

  void save_as_another_program(const ModelConfig& model,
                               const std::function<bool(const std::string&)>& is_left_out = {}) {
    const Graph graph = make_graph(model);
    const Parameters parameters(graph);
    std::vector<TensorView> tensors;
    for (std::size_t id = 0; id < graph.parameters().size(); ++id) {
      const Parameter& parameter = graph.parameters()[id];
      if (is_left_out && is_left_out(parameter.name)) continue;
      tensors.push_back(
          {parameter.name, DType::f32, parameter.shape, std::as_bytes(parameters.value(static_cast<ParameterId>(id)))});
    }
    write_safetensors(path_, tensors, {});
  }

  [[nodiscard]] ModelConfig read() const { return read_model(SafetensorsFile(path_)); }

  const testing_support::TemporaryFolder folder_;
  const std::filesystem::path path_ = folder_.path() / "weights.safetensors";
};

TEST_F(TokenModelFile, SaysWhichNetworkItHolds) {
  save(MlpMixerConfig{.dim = 8,
                      .depth = 2,
                      .patch_size = 3,
                      .token_dim = 5,
                      .channel_dim = 12,
                      .image_size = 10,
                      .channels = 2,
                      .classes = 3});
  EXPECT_EQ(describe_with_task(read_checkpoint_info(path_).model),
            "MLP-Mixer-8/2, patch 3, MLPs of 5 and 12, images 10 x 10, 3 classes");
  save(VitConfig{.dim = 8, .depth = 2, .heads = 4, .mlp_dim = 12, .patch_size = 3, .image_size = 10, .classes = 3});
  EXPECT_EQ(describe_with_task(read_checkpoint_info(path_).model),
            "ViT-8/2, patch 3, 4 heads, MLPs of 12, class token, images 10 x 10, 3 classes");
  save(VitConfig{.dim = 8, .heads = 1, .pooling = TokenPooling::mean, .class_token = false});
  EXPECT_FALSE(std::get<VitConfig>(read_checkpoint_info(path_).model).class_token);
  EXPECT_EQ(std::get<VitConfig>(read_checkpoint_info(path_).model).pooling, TokenPooling::mean);
}

TEST_F(TokenModelFile, OfAnotherProgramIsRecognisedByItsTensors) {
  save_as_another_program(MlpMixerConfig{
      .dim = 8, .depth = 3, .patch_size = 3, .token_dim = 5, .channel_dim = 12, .image_size = 12, .classes = 3});
  EXPECT_EQ(describe_with_task(read()), "MLP-Mixer-8/3, patch 3, MLPs of 5 and 12, images 12 x 12, 3 classes");
  // Tensors don't show the heads; 64 features each are usual.
  save_as_another_program(
      VitConfig{.dim = 128, .depth = 2, .heads = 4, .mlp_dim = 12, .patch_size = 8, .image_size = 24, .classes = 3});
  EXPECT_EQ(describe_with_task(read()),
            "ViT-128/2, patch 8, 2 heads, MLPs of 12, class token, images 24 x 24, 3 classes");
  save_as_another_program(VitConfig{.dim = 10, .heads = 5, .pooling = TokenPooling::mean, .class_token = false});
  EXPECT_EQ(describe_with_task(read()),
            "ViT-10/6, patch 4, 1 head, MLPs of 768, mean of tokens, images 32 x 32, 10 classes");
}

TEST_F(TokenModelFile, OfATransformerThatIsNotKnownIsRefused) {
  save_as_another_program(VitConfig{.pooling = TokenPooling::mean, .class_token = false},
                          [](const std::string& name) { return name.starts_with("fc_norm"); });
  EXPECT_THAT(std::string(error_of([&] { (void)read(); }).what()), HasSubstr("has neither cls_token nor fc_norm"));
}

TEST_F(TokenModelFile, LacksNothing) {
  save_as_another_program(VitConfig{}, [](const std::string& name) { return name == "blocks.0.mlp.fc1.weight"; });
  EXPECT_THAT(std::string(error_of([&] { (void)read(); }).what()), HasSubstr("blocks.0.mlp.fc1.weight"));
}

}  // namespace
}  // namespace convmixer
