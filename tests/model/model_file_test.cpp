#include "convmixer/model/model_file.hpp"

#include "convmixer/graph/parameters.hpp"
#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"
#include "support/two_models.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <map>
#include <vector>

namespace convmixer {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing_support::error_of;
using testing_support::two_models;

/// Files of the test-only model: 2 heads, 3 channels, 4 classes. That its depth is 5 is seen in the metadata alone.
class ModelFile : public testing::Test {
 protected:
  using Metadata = std::map<std::string, std::string>;

  void write(const Metadata& metadata, const std::string& tensor = "twin.weight") {
    const std::array<float, 24> values{};
    const TensorView view{tensor, DType::f32, {2, 3, 4}, std::as_bytes(std::span(values))};
    write_safetensors(path_, std::span(&view, 1), metadata);
  }
  [[nodiscard]] ConvMixerConfig read() const {
    return std::get<ConvMixerConfig>(read_model(SafetensorsFile(path_), two_models()));
  }
  std::string refusal(const std::string& key, const std::string& value) {
    Metadata metadata = whole_;
    metadata[key] = value;
    write(metadata);
    const std::string message = error_of([&] { (void)read(); }).what();
    EXPECT_THAT(message, HasSubstr(path_.string()));
    return message;
  }

  const testing_support::TemporaryFolder folder_;
  const std::filesystem::path path_ = folder_.path() / "weights.safetensors";
  const Metadata whole_{{"generator", "convmixer 1.2.3"},
                        {"model", "twin"},
                        {"depth", "5"},
                        {"heads", "2"},
                        {"image_size", "48"},
                        {"channels", "3"},
                        {"classes", "4"}};
};

TEST_F(ModelFile, SaysInItsMetadataWhichModelItHolds) {
  write(whole_);
  const ConvMixerConfig model = read();
  EXPECT_EQ(model.dim, testing_support::kTwinMark);
  EXPECT_EQ(model.depth, 5);
  EXPECT_EQ(model.kernel_size, 2);
  EXPECT_EQ(model.image_size, 48);
  EXPECT_EQ(model.channels, 3);
  EXPECT_EQ(model.classes, 4);
}

TEST_F(ModelFile, IsKnownByItsTensorsWithoutMetadata) {
  for (const Metadata& metadata : {Metadata{}, Metadata{{"generator", "timm"}, {"model", "resnet"}, {"depth", "5"}}}) {
    write(metadata);
    const ConvMixerConfig model = read();
    EXPECT_EQ(model.dim, testing_support::kTwinMark);
    EXPECT_EQ(model.depth, 3) << "not the default";
    EXPECT_EQ(model.kernel_size, 2);
    EXPECT_EQ(model.image_size, 32);
    EXPECT_EQ(model.classes, 4);
  }
}

TEST_F(ModelFile, OfNoKnownModelIsRefused) {
  EXPECT_THAT(refusal("model", "resnet"), HasSubstr(R"(metadata model = "resnet": expected one of convmixer, twin)"));
  write({}, "fc.weight");
  EXPECT_THAT(error_of([&] { (void)read(); }).what(), HasSubstr("no weights of convmixer or twin: found fc.weight"));
}

TEST_F(ModelFile, IsRefusedWhenMetadataAndTensorsContradictEachOther) {
  EXPECT_THAT(refusal("heads", "3"), HasSubstr("metadata heads = 3, but its tensors have 2"));
  EXPECT_THAT(refusal("classes", "3"), HasSubstr("metadata classes = 3, but its tensors have 4"));
  EXPECT_THAT(refusal("model", "convmixer"), HasSubstr("dim"));
}

TEST_F(ModelFile, IsRefusedWhenItsSizesAreNone) {
  EXPECT_THAT(refusal("depth", "many"), HasSubstr(R"(metadata depth = "many": expected a whole number)"));
  EXPECT_THAT(refusal("image_size", "0"), HasSubstr("image_size"));
}

TEST_F(ModelFile, IsRefusedWhenItsModelCannotBe) {
  Metadata metadata = whole_;
  metadata["heads"] = "7";
  const std::array<float, 84> values{};
  const TensorView view{"twin.weight", DType::f32, {7, 3, 4}, std::as_bytes(std::span(values))};
  write_safetensors(path_, std::span(&view, 1), metadata);
  EXPECT_THAT(error_of([&] { (void)read(); }).what(),
              AllOf(HasSubstr(path_.string()), HasSubstr("heads = 7: too odd")));
}

TEST_F(ModelFile, MustHoldTheModelOfItsRun) {
  const ModelConfig& convmixer = two_models().front().defaults;
  const ModelConfig& twin = two_models().back().defaults;
  EXPECT_NO_THROW(require_model(path_, twin, twin, two_models()));
  EXPECT_EQ(std::string(error_of([&] { require_model(path_, twin, convmixer, two_models()); }).what()),
            path_.string() + ": its model is twin, but the run's configuration says model = convmixer");
}

TEST(ModelMetadata, NamesTheModelAndAllItsSizes) {
  const ConvMixerConfig config{
      .dim = 1, .depth = 2, .kernel_size = 3, .patch_size = 4, .image_size = 5, .channels = 6, .classes = 7};
  EXPECT_EQ(model_metadata(config), (std::map<std::string, std::string>{{"model", "convmixer"},
                                                                        {"dim", "1"},
                                                                        {"depth", "2"},
                                                                        {"kernel_size", "3"},
                                                                        {"patch_size", "4"},
                                                                        {"image_size", "5"},
                                                                        {"channels", "6"},
                                                                        {"classes", "7"}}));
}

TEST(ModelMetadata, HasChoicesThatArentTheUsualAndNothingThatIsOfTrainingAlone) {
  ConvMixerConfig model;
  const auto usual = model_metadata(model);
  for (const char* key : {"norm", "activation", "residual", "dropout", "drop_path"}) EXPECT_FALSE(usual.contains(key));
  model.activation = ConvMixerConfig::Activation::relu;
  model.dropout = 0.5F;
  const auto metadata = model_metadata(model);
  EXPECT_EQ(metadata.at("activation"), "relu");
  EXPECT_EQ(metadata.size(), usual.size() + 1);
}

/// Files with a ConvMixer of dim 32 and depth 1.
class ConvMixerFile : public testing::Test {
 protected:
  using Norm = ConvMixerConfig::Norm;

  void write(const ConvMixerConfig& config, std::map<std::string, std::string> metadata) {
    const Graph graph = make_convmixer(config);
    const Parameters parameters(graph);
    std::vector<TensorView> tensors;
    for (std::size_t id = 0; id < graph.parameters().size(); ++id)
      tensors.push_back({graph.parameters()[id].name, DType::f32, graph.parameters()[id].shape,
                         std::as_bytes(parameters.value(static_cast<ParameterId>(id)))});
    for (std::size_t id = 0; id < graph.statistics().size(); ++id)
      tensors.push_back({graph.statistics()[id].name, DType::f32, graph.statistics()[id].shape,
                         std::as_bytes(parameters.statistic(static_cast<StatisticId>(id)))});
    write_safetensors(path_, tensors, metadata);
  }
  /// As this program writes them.
  void write_own(const ConvMixerConfig& config, const std::string& key = "", const std::string& value = "") {
    auto metadata = model_metadata(config);
    metadata["generator"] = "convmixer 1.2.3";
    if (!key.empty()) metadata[key] = value;
    write(config, metadata);
  }
  [[nodiscard]] ConvMixerConfig read() const { return std::get<ConvMixerConfig>(read_model(SafetensorsFile(path_))); }
  [[nodiscard]] std::string refusal() const {
    return error_of([&] { (void)read(); }).what();
  }

  const testing_support::TemporaryFolder folder_;
  const std::filesystem::path path_ = folder_.path() / "weights.safetensors";
};

TEST_F(ConvMixerFile, SaysWhatIsChosen) {
  write_own({.dim = 32, .depth = 1, .norm = Norm::group, .residual = ConvMixerConfig::Residual::none});
  EXPECT_EQ(read().norm, Norm::group);
  EXPECT_EQ(read().activation, ConvMixerConfig::Activation::gelu);
  EXPECT_EQ(read().residual, ConvMixerConfig::Residual::none);
}

TEST_F(ConvMixerFile, OfAnotherProgramHasTheNormThatItsTensorsShow) {
  write({.dim = 32, .depth = 1}, {});
  EXPECT_EQ(read().norm, Norm::batch);
  write({.dim = 32, .depth = 1, .norm = Norm::layer}, {});
  EXPECT_EQ(read().norm, Norm::layer);
}

TEST_F(ConvMixerFile, WhoseMetadataContradictsItsTensorsIsRefused) {
  write_own({.dim = 32, .depth = 1}, "norm", "layer");
  EXPECT_THAT(refusal(), HasSubstr("metadata norm = layer, but its tensors have batch"));
  write_own({.dim = 32, .depth = 1}, "activation", "tanh");
  EXPECT_THAT(refusal(), HasSubstr("metadata activation = \"tanh\": expected one of gelu, relu"));
}

}  // namespace
}  // namespace convmixer
