#include "convmixer/model/resnet.hpp"

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
#include <numeric>
#include <string>
#include <vector>

namespace convmixer {
namespace {

using testing::HasSubstr;
using testing_support::error_of;

std::vector<std::string> parameter_names(const Graph& graph) {
  std::vector<std::string> names;
  for (const Parameter& parameter : graph.parameters()) names.push_back(parameter.name);
  return names;
}

TEST(ResNet, HasTorchvisionsNamesAndNoBiasesInConvolutions) {
  EXPECT_THAT(
      parameter_names(make_resnet({.layers = 8})),
      testing::ElementsAre("conv1.weight", "bn1.weight", "bn1.bias", "layer1.0.conv1.weight", "layer1.0.bn1.weight",
                           "layer1.0.bn1.bias", "layer1.0.conv2.weight", "layer1.0.bn2.weight", "layer1.0.bn2.bias",
                           "layer2.0.conv1.weight", "layer2.0.bn1.weight", "layer2.0.bn1.bias", "layer2.0.conv2.weight",
                           "layer2.0.bn2.weight", "layer2.0.bn2.bias", "layer2.0.downsample.0.weight",
                           "layer2.0.downsample.1.weight", "layer2.0.downsample.1.bias", "layer3.0.conv1.weight",
                           "layer3.0.bn1.weight", "layer3.0.bn1.bias", "layer3.0.conv2.weight", "layer3.0.bn2.weight",
                           "layer3.0.bn2.bias", "layer3.0.downsample.0.weight", "layer3.0.downsample.1.weight",
                           "layer3.0.downsample.1.bias", "fc.weight", "fc.bias"));
}

TEST(ResNet, HasThePapersParametersAndMultiplyAdds) {
  // Table 6 of the paper: 0.27, 0.46 and 0.85 million, with parameter-free shortcuts; option B has 2,752 more.
  EXPECT_EQ(parameter_count(make_resnet({.layers = 20})), 272474);
  EXPECT_EQ(parameter_count(make_resnet({.layers = 32})), 466906);
  EXPECT_EQ(parameter_count(make_resnet({.layers = 56})), 855770);
  EXPECT_NEAR(static_cast<double>(multiply_adds(make_resnet({}))), 41e6, 0.5e6);
}

TEST(ResNet, HalvesTheImageTwiceWhateverItsSize) {
  for (const int size : {7, 16, 32}) {
    const Graph graph = make_resnet({.layers = 14, .width = 8, .image_size = size, .channels = 1, .classes = 4});
    EXPECT_EQ(graph.tensors().back(), Shape({4}));
    const int half = (size + 1) / 2;
    const int quarter = (half + 1) / 2;
    EXPECT_EQ(std::ranges::count(graph.tensors(), Shape({16, half, half})), 16) << size;
    EXPECT_EQ(std::ranges::count(graph.tensors(), Shape({32, quarter, quarter})), 16) << size;
  }
}

TEST(ResNet, BeginsAsTorchvisions) {
  const Graph graph = make_resnet({.layers = 8, .width = 32});
  Parameters parameters(graph);
  parameters.initialise(5);
  const auto deviation = [&](const std::string& name) {
    const auto found = std::ranges::find(graph.parameters(), name, &Parameter::name);
    const auto values = parameters.value(static_cast<ParameterId>(found - graph.parameters().begin()));
    const double squares = std::inner_product(values.begin(), values.end(), values.begin(), 0.0);
    return std::sqrt(squares / static_cast<double>(values.size()));
  };
  EXPECT_NEAR(deviation("layer1.0.conv2.weight"), std::sqrt(2.0 / (32 * 9)), 0.05 * std::sqrt(2.0 / (32 * 9)));
  EXPECT_NEAR(deviation("layer2.0.downsample.0.weight"), std::sqrt(2.0 / 64), 0.05 * std::sqrt(2.0 / 64));
  EXPECT_NEAR(deviation("fc.weight"), 1.0 / std::sqrt(3.0 * 128), 0.05 / std::sqrt(3.0 * 128));  // uniform
}

TEST(ResNet, DropsMoreBranchesTheLaterTheyComeAndNoneByDefault) {
  std::vector<float> rates;
  const Graph graph = make_resnet({.layers = 14, .dropout = 0.2F, .drop_path = 0.5F});
  for (const Node& node : graph.nodes()) {
    if (const auto* const path = std::get_if<DropPath>(&node.operation)) rates.push_back(path->rate);
    if (const auto* const dropout = std::get_if<Dropout>(&node.operation)) {
      EXPECT_EQ(dropout->rate, 0.2F);
    }
  }
  EXPECT_THAT(rates, testing::ElementsAre(0.1F, 0.2F, testing::FloatEq(0.3F), 0.4F, 0.5F));
  const Graph usual = make_resnet({});
  for (const Node& node : usual.nodes())
    EXPECT_FALSE(std::holds_alternative<DropPath>(node.operation) || std::holds_alternative<Dropout>(node.operation));
}

TEST(ResNet, RefusesLayersThatNoNumberOfBlocksHas) {
  EXPECT_STREQ(error_of([] { (void)make_resnet({.layers = 18}); }).what(),
               "layers = 18: expected 6 n + 2 for n blocks in each of 3 stages: 8, 14, 20, 26, 32, 44, 56, 110, ...");
  EXPECT_STREQ(error_of([] { (void)make_resnet({.layers = 2}); }).what(),
               "layers = 2: expected a number from 8 to 2000");
  EXPECT_STREQ(error_of([] { (void)make_resnet({.drop_path = 1.0F}); }).what(),
               "drop-path = 1: expected a number from 0 to below 1");
}

class ResNetFile : public testing::Test {
 protected:
  void save(const ModelConfig& model) {
    const Graph graph = make_graph(model);
    Parameters parameters(graph);
    parameters.initialise(1);
    CheckpointInfo info;
    info.model = model;
    save_weights(path_, parameters, info);
  }

  const testing_support::TemporaryFolder folder_;
  const std::filesystem::path path_ = folder_.path() / "weights.safetensors";
};

TEST_F(ResNetFile, SaysWhichNetworkItHolds) {
  save(ResNetConfig{.layers = 14, .width = 5, .dropout = 0.5F, .image_size = 9, .channels = 2, .classes = 3});
  const CheckpointInfo info = read_checkpoint_info(path_);
  EXPECT_EQ(describe_with_task(info.model), "ResNet-14, width 5, images 9 x 9, 3 classes");
  EXPECT_EQ(std::get<ResNetConfig>(info.model).dropout, 0.0F);  // which has a say in training alone
}

TEST_F(ResNetFile, OfAnotherProgramIsRecognisedByItsTensors) {
  const Graph graph = make_resnet({.layers = 14, .width = 6, .channels = 1, .classes = 7});
  const Parameters parameters(graph);
  std::vector<TensorView> tensors;
  for (std::size_t id = 0; id < graph.parameters().size(); ++id) {
    const Parameter& parameter = graph.parameters()[id];
    tensors.push_back(
        {parameter.name, DType::f32, parameter.shape, std::as_bytes(parameters.value(static_cast<ParameterId>(id)))});
  }
  write_safetensors(path_, tensors, {});
  const auto model = std::get<ResNetConfig>(read_model(SafetensorsFile(path_)));
  EXPECT_EQ(model.layers, 14);
  EXPECT_EQ(model.width, 6);
  EXPECT_EQ(model.channels, 1);
  EXPECT_EQ(model.classes, 7);
}

TEST_F(ResNetFile, OfAResNetForLargeImagesIsRefused) {
  const std::vector<float> values(8 * 3 * 7 * 7);
  const auto view = [&](const std::string& name, const Shape& shape) {
    return TensorView{name, DType::f32, shape,
                      std::as_bytes(std::span(values).first(static_cast<std::size_t>(shape.count())))};
  };
  const std::vector<TensorView> tensors{view("conv1.weight", {8, 3, 7, 7}), view("fc.weight", {10, 8}),
                                        view("layer1.0.conv1.weight", {8, 8, 3, 3})};
  write_safetensors(path_, tensors, {});
  EXPECT_THAT(std::string(error_of([&] { (void)read_model(SafetensorsFile(path_)); }).what()),
              HasSubstr("a ResNet for large images, with a stem of 7 x 7 pixels or four stages"));
}

}  // namespace
}  // namespace convmixer
