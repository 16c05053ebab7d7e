#include "convmixer/export/onnx.hpp"

#include "convmixer/core/rng.hpp"
#include "convmixer/model/convmixer.hpp"
#include "convmixer/model/network.hpp"
#include "support/error_of.hpp"
#include "support/onnx_interpreter.hpp"
#include "support/temporary_folder.hpp"
#include "support/test_engine.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace convmixer {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing_support::error_of;
using testing_support::OnnxInterpreter;
using testing_support::OnnxTensor;

constexpr int kImages = 3;

/// Even kernels have the odd pad at the end; 7 pixels leave one past the last whole patch.
ConvMixerConfig small(int kernel_size) {
  return {.dim = 12, .depth = 2, .kernel_size = kernel_size, .patch_size = 2, .image_size = 7, .classes = 5};
}

std::vector<float> random_values(std::size_t count, std::size_t seed, float low, float high) {
  Rng rng(seed, RandomStream::synthetic_data);
  std::vector<float> values(count);
  for (float& value : values) value = rng.uniform(low, high);
  return values;
}

/// Weights as after some training: norms and statistics not at their initial values.
void fill(Parameters& parameters) {
  parameters.initialise(3);
  const Graph& graph = parameters.graph();
  for (std::size_t id = 0; id < graph.parameters().size(); ++id) {
    const ParameterRole role = graph.parameters()[id].role;
    const std::span<float> value = parameters.value(static_cast<ParameterId>(id));
    if (role != ParameterRole::norm_scale && role != ParameterRole::norm_shift) continue;
    std::ranges::copy(random_values(value.size(), 10 + id, 0.5F, 1.5F), value.begin());
  }
  for (std::size_t id = 0; id < graph.statistics().size(); ++id) {
    const std::span<float> value = parameters.statistic(static_cast<StatisticId>(id));
    std::ranges::copy(random_values(value.size(), 90 + id, 0.2F, 0.8F), value.begin());
  }
}

class OnnxTest : public testing::TestWithParam<int> {
 protected:
  explicit OnnxTest(int kernel_size)
      : config_(small(kernel_size)), network_(make_convmixer(config_), Precision::f32, testing_support::test_engine()) {
    fill(network_.parameters());
  }
  OnnxTest() : OnnxTest(GetParam()) {}

  [[nodiscard]] std::size_t pixels() const {
    return static_cast<std::size_t>(kImages * config_.channels * config_.image_size * config_.image_size);
  }

  [[nodiscard]] OnnxTensor tensor_of(const std::vector<float>& images) const {
    return {{kImages, config_.channels, config_.image_size, config_.image_size}, {images.begin(), images.end()}};
  }

  std::vector<float> logits_of(const std::vector<float>& images) {
    const std::vector<std::int32_t> labels(kImages, 0);
    network_.evaluate_batch(images, {.labels = labels});
    return {network_.logits().begin(), network_.logits().end()};
  }

  ConvMixerConfig config_;
  Network network_;
};

void expect_near(const OnnxTensor& found, const std::vector<float>& expected) {
  ASSERT_EQ(found.values.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(found.values[i], expected[i], 1e-4) << i;
}

TEST_P(OnnxTest, GivesTheNetworksLogits) {
  const std::vector<float> images = random_values(pixels(), 5, -2.0F, 2.0F);
  const OnnxInterpreter model(onnx_bytes(network_.parameters()));
  const OnnxTensor logits = model.run(tensor_of(images));
  EXPECT_THAT(logits.extents, ElementsAre(kImages, 5));
  expect_near(logits, logits_of(images));
}

TEST_P(OnnxTest, NormalisesPixelsWhenAsked) {
  const Normalisation normalisation{.mean = {0.5F, 0.4F, 0.3F}, .std = {0.2F, 0.25F, 0.3F}};
  const std::vector<float> pixels_0_to_1 = random_values(pixels(), 6, 0.0F, 1.0F);
  std::vector<float> images = pixels_0_to_1;
  const auto plane = static_cast<std::size_t>(config_.image_size * config_.image_size);
  for (std::size_t i = 0; i < images.size(); ++i) {
    const std::size_t channel = i / plane % 3;
    images[i] = (images[i] - normalisation.mean[channel]) / normalisation.std[channel];
  }
  const OnnxInterpreter model(onnx_bytes(network_.parameters(), {.normalisation = normalisation}));
  expect_near(model.run(tensor_of(pixels_0_to_1)), logits_of(images));
}

INSTANTIATE_TEST_SUITE_P(OddAndEvenKernels, OnnxTest, testing::Values(3, 4), testing::PrintToStringParamName());

/// All operations that a ConvMixer doesn't have.
Graph convnet() {
  Graph graph(3, 9, 9);
  TensorId x = graph.convolution("stem", graph.input(), 12, 3, 1, 1, 1, 1, Bias::without);
  x = graph.max_pool("pool", graph.relu("relu", graph.group_norm("norm", x, 4)), 3, 2, 1);
  TensorId branch = graph.convolution("conv", x, 12, 3, 1, 3, 1, 1);
  branch = graph.drop_path("path", graph.group_norm("norm2", branch, 12), 0.5F);
  x = graph.global_average_pool("average", graph.add("add", branch, x));
  graph.linear("head", graph.dropout("dropout", x, 0.5F), 5);
  return graph;
}

TEST(OnnxOperations, OfConvnetsGiveTheNetworksLogits) {
  Network network(convnet(), Precision::f32, testing_support::test_engine());
  fill(network.parameters());
  const std::vector<float> images = random_values(std::size_t{kImages} * 3 * 81, 5, -2.0F, 2.0F);
  const auto logits = network.infer(images);
  const OnnxInterpreter model(onnx_bytes(network.parameters()));
  expect_near(model.run({{kImages, 3, 9, 9}, {images.begin(), images.end()}}), {logits.begin(), logits.end()});
}

/// All operations on tokens.
Graph transformer() {
  Graph graph(3, 6, 4);
  TensorId x =
      graph.to_tokens("tokens", graph.layer_norm("pixels", graph.convolution_same("stem", graph.input(), 12, 3, 1)));
  x = graph.position_embedding("pos_embed", graph.class_token("cls_token", x));
  TensorId branch = graph.linear("qkv", graph.layer_norm("norm", x), 36, Bias::without);
  x = graph.add("add", x, graph.linear("proj", graph.attention("attention", branch, 3), 12));
  branch = graph.linear("mix", graph.gelu("gelu", graph.transpose("turn", x)), 25);
  x = graph.add("add2", x, graph.transpose("back", branch));
  x = graph.layer_norm("fc_norm", graph.token_mean("mean", x, 1, 25), 1e-5F);
  graph.linear("head", x, 5, Bias::without);
  return graph;
}

TEST(OnnxOperations, OnTokensGiveTheNetworksLogits) {
  Network network(transformer(), Precision::f32, testing_support::test_engine());
  fill(network.parameters());
  const std::vector<float> images = random_values(std::size_t{kImages} * 3 * 24, 5, -2.0F, 2.0F);
  const auto logits = network.infer(images);
  const OnnxInterpreter model(onnx_bytes(network.parameters()));
  expect_near(model.run({{kImages, 3, 6, 4}, {images.begin(), images.end()}}), {logits.begin(), logits.end()});
}

class OnnxFile : public OnnxTest {
 protected:
  OnnxFile() : OnnxTest(4) {}
};

TEST_F(OnnxFile, IsOfOpset17AndNamesBatchInputAndOutput) {
  const OnnxInterpreter model(onnx_bytes(network_.parameters()));
  EXPECT_EQ(model.model().number(1), 8);                      // IR version
  EXPECT_EQ(model.model().message(8).number(2), 17);          // opset
  EXPECT_THAT(model.model().message(8).texts(1), IsEmpty());  // of the standard's own operators
  const auto graph = model.model().message(7);
  const auto input = graph.message(11);
  EXPECT_EQ(input.text(1), "input");
  const auto shape = input.message(2).message(1).message(2);
  EXPECT_EQ(shape.message(1, 0).text(2), "batch");
  EXPECT_EQ(shape.message(1, 1).number(1), 3);
  EXPECT_EQ(shape.message(1, 3).number(1), 7);
  EXPECT_EQ(graph.message(12).text(1), "logits");
}

TEST_F(OnnxFile, SpellsOutThePadsOfEvenKernelsWithTheOddOneAtTheEnd) {
  const OnnxInterpreter model(onnx_bytes(network_.parameters()));
  EXPECT_THAT(model.integers("blocks.1.0.fn.0", "pads"), ElementsAre(1, 1, 2, 2));
  EXPECT_THAT(model.integers("blocks.1.0.fn.0", "group"), ElementsAre(12));
  EXPECT_THAT(model.integers("stem.0", "pads"), ElementsAre(0, 0, 0, 0));
}

TEST_F(OnnxFile, HasEveryParameterAndStatisticUnderItsName) {
  const Parameters& parameters = network_.parameters();
  const OnnxInterpreter model(onnx_bytes(parameters));
  const Graph& graph = parameters.graph();
  for (std::size_t id = 0; id < graph.parameters().size(); ++id) {
    const auto expected = parameters.value(static_cast<ParameterId>(id));
    EXPECT_EQ(model.initializers().at(graph.parameters()[id].name).values,
              std::vector<double>(expected.begin(), expected.end()));
  }
  for (std::size_t id = 0; id < graph.statistics().size(); ++id) {
    const auto expected = parameters.statistic(static_cast<StatisticId>(id));
    EXPECT_EQ(model.initializers().at(graph.statistics()[id].name).values,
              std::vector<double>(expected.begin(), expected.end()));
  }
  EXPECT_THAT(model.operators(), Contains("BatchNormalization").Times(5));
}

TEST_F(OnnxFile, GivesNormsTheirMomentumAsTheWeightOfTheOldValue) {
  const OnnxInterpreter model(onnx_bytes(network_.parameters()));
  EXPECT_FLOAT_EQ(static_cast<float>(model.real("stem.2", "momentum")), 0.9F);
  EXPECT_FLOAT_EQ(static_cast<float>(model.real("stem.2", "epsilon")), 1e-5F);
}

TEST_F(OnnxFile, HoldsMetadata) {
  const OnnxInterpreter model(onnx_bytes(network_.parameters(), {.metadata = {{"class_names", R"(["Löwe","cat"])"}}}));
  const auto entry = model.model().message(14);
  EXPECT_EQ(entry.text(1), "class_names");
  EXPECT_EQ(entry.text(2), R"(["Löwe","cat"])");
}

TEST_F(OnnxFile, SaysWhatTheWeightsDoAndWhatItTakes) {
  CheckpointInfo info;
  info.model = config_;
  info.mean = {0.5F, 0.25F, 0.125F};
  info.class_names = {"a", "b", "c", "d", "e"};
  const auto metadata = onnx_metadata(info, false);
  EXPECT_EQ(metadata.at("class_names"), R"(["a","b","c","d","e"])");
  EXPECT_EQ(metadata.at("mean"), "0.5 0.25 0.125");
  EXPECT_EQ(metadata.at("image_size"), "7");
  EXPECT_EQ(metadata.at("input"), "pixels scaled to 0..1, less mean, divided by std");
  EXPECT_FALSE(metadata.contains("format"));
  EXPECT_EQ(onnx_metadata(info, true).at("input"), "pixels scaled to 0..1");
  info.mean.clear();
  EXPECT_EQ(onnx_metadata(info, false).at("input"), "pixels scaled to 0..1, normalised as in its training");
}

TEST_F(OnnxFile, EndsWithProbabilitiesWhenAsked) {
  const std::vector<float> images = random_values(pixels(), 5, -2.0F, 2.0F);
  const OnnxInterpreter logits(onnx_bytes(network_.parameters()));
  const OnnxInterpreter model(onnx_bytes(network_.parameters(), {.probabilities = true}));
  EXPECT_EQ(model.model().message(7).message(12).text(1), "probabilities");
  const auto expected = logits.run(tensor_of(images)).values;
  const auto found = model.run(tensor_of(images)).values;
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t begin = 0; begin < found.size(); begin += 5) {
    double sum = 0.0;
    for (std::size_t i = begin; i < begin + 5; ++i) sum += found[i];
    EXPECT_NEAR(sum, 1.0, 1e-12);
    EXPECT_NEAR(std::log(found[begin] / found[begin + 1]), expected[begin] - expected[begin + 1], 1e-9);
  }
}

TEST_F(OnnxFile, IsWrittenAsTheBytesAreAndNotAtAllWhereItCantBe) {
  const testing_support::TemporaryFolder folder;
  const auto path = folder.path() / "network.onnx";
  write_onnx(path, network_.parameters());
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  EXPECT_EQ(text.str(), onnx_bytes(network_.parameters()));
  EXPECT_THAT(error_of([&] { write_onnx(folder.path() / "missing" / "a.onnx", network_.parameters()); }).what(),
              HasSubstr("missing"));
}

TEST_F(OnnxFile, RefusesANormalisationThatDoesntFit) {
  const auto refusal = [&](const Normalisation& normalisation) {
    return std::string(
        error_of([&] { (void)onnx_bytes(network_.parameters(), {.normalisation = normalisation}); }).what());
  };
  EXPECT_EQ(refusal({.mean = {0.5F}, .std = {0.5F}}), "a normalisation of 1 channels: the network takes images of 3");
  EXPECT_EQ(refusal({.mean = {0.5F, 0.5F, 0.5F}, .std = {0.5F, 0.0F, 0.5F}}),
            "a normalisation by the standard deviation 0: expected a number above 0");
}

TEST_F(OnnxFile, RefusesMetadataThatIsNotUtf8) {
  const Error error = error_of([&] { (void)onnx_bytes(network_.parameters(), {.metadata = {{"names", "\xff"}}}); });
  EXPECT_STREQ(error.what(), "ONNX metadata \"names\": expected UTF-8");
}

}  // namespace
}  // namespace convmixer
