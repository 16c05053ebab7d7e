#include "train/model_options.hpp"

#include "convmixer/train/option_parser.hpp"
#include "support/error_of.hpp"
#include "support/two_models.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace convmixer {
namespace {

using testing::HasSubstr;
using testing_support::error_of;
using testing_support::two_models;

/// Options of a ConvMixer and of a model of tests: both have a depth, one a dim, the other heads.
class ModelOptions : public testing::Test {
 protected:
  void read(const std::vector<std::string>& words) { assign(groups_, parse_command_line(groups_, words).settings); }
  std::string refusal(const std::vector<std::string>& words) {
    const Error error = error_of([&] { read(words); });
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    return error.what();
  }
  [[nodiscard]] const ConvMixerConfig& config() const { return std::get<ConvMixerConfig>(model_); }
  [[nodiscard]] std::string chosen() const { return entry_of(model_, two_models()).name; }

  ModelConfig model_ = two_models().front().defaults;
  std::vector<OptionGroup> groups_{{"Model", model_options(model_, two_models())}};
};

TEST_F(ModelOptions, SetTheChosenModelsSizes) {
  read({"--dim", "24", "--depth", "6"});
  EXPECT_EQ(chosen(), "convmixer");
  EXPECT_EQ(config().dim, 24);
  EXPECT_EQ(config().depth, 6);
}

TEST_F(ModelOptions, ChooseTheModelWhereverItStands) {
  read({"--depth", "4", "--heads", "5", "--model", "twin"});
  EXPECT_EQ(chosen(), "twin");
  EXPECT_EQ(config().depth, 4);
  EXPECT_EQ(config().kernel_size, 5);
}

TEST_F(ModelOptions, BeginAnotherModelWithItsDefaultsAndLeaveTheSameAsItIs) {
  read({"--depth", "6"});
  read({"--model", "convmixer"});
  EXPECT_EQ(config().depth, 6);
  read({"--model", "twin"});
  EXPECT_EQ(config().depth, 3);
  read({"--model", "convmixer"});
  EXPECT_EQ(config().depth, 8);
}

TEST_F(ModelOptions, OfAnotherModelThanTheChosenAreRefused) {
  EXPECT_EQ(refusal({"--heads", "4"}), "--heads 4: has no effect without model = twin");
  EXPECT_EQ(refusal({"--dim", "16", "--model", "twin"}), "--dim 16: has no effect without model = convmixer");
}

TEST(ModelOptionsOfAll, AreRefusedWithEveryModelThatHasThem) {
  ModelConfig model = models().front().defaults;
  const std::vector<OptionGroup> groups{{"Model", model_options(model)}};
  const auto refusal = [&](const std::vector<std::string>& words) {
    return std::string(error_of([&] { assign(groups, parse_command_line(groups, words).settings); }).what());
  };
  EXPECT_EQ(refusal({"--model", "resnet", "--dim", "64"}),
            "--dim 64: has no effect without model = convmixer, mlp-mixer or vit");
  EXPECT_EQ(refusal({"--model", "vit", "--layers", "8"}), "--layers 8: has no effect without model = resnet");
}

TEST_F(ModelOptions, HaveTheLimitsOfTheChosenModel) {
  EXPECT_EQ(refusal({"--model", "twin", "--depth", "6"}), "--depth 6: expected a whole number from 1 to 5");
  EXPECT_EQ(refusal({"--model", "convmixer", "--depth", "0"}), "--depth 0: expected a whole number from 1 to 1024");
}

TEST_F(ModelOptions, TellTheNearestModel) {
  EXPECT_EQ(refusal({"--model", "twim"}), "--model twim: expected one of convmixer, twin; did you mean 'twin'?");
}

TEST_F(ModelOptions, AreWrittenForTheChosenModelAlone) {
  EXPECT_EQ(to_ini(groups_),
            "# Model\nmodel = convmixer\ndim = 256\ndepth = 8\nkernel-size = 5\npatch-size = 2\n"
            "norm = batch\nactivation = gelu\nresidual = depthwise\ndropout = 0\ndrop-path = 0\n");
  read({"--model", "twin", "--heads", "9"});
  EXPECT_EQ(to_ini(groups_), "# Model\nmodel = twin\ndepth = 3\nheads = 9\n");
}

TEST_F(ModelOptions, AreAllInTheHelp) {
  const std::string help = describe_options(groups_);
  for (const char* part :
       {"--model NAME (=convmixer)", "--dim N (=256)", "--depth N (=8)", "--depth N (=3)", "--heads N (=2)"}) {
    EXPECT_THAT(help, HasSubstr(part));
  }
}

TEST_F(ModelOptions, SayInTheHelpWhoseTheyAre) {
  std::vector<std::string> help;
  for (const Option& option : groups_.front().options)
    if (option.name == "depth" || option.name == "norm") help.push_back(option.help);
  EXPECT_THAT(help, testing::ElementsAre("convmixer: number of blocks",
                                         "convmixer: batch, layer, group; of each convolution's activations; group: 32 "
                                         "groups of channels",
                                         "twin: layers"));
}

TEST_F(ModelOptions, SetTheChosenModelsChoicesAndRates) {
  read({"--norm", "layer", "--activation", "relu", "--residual", "both", "--drop-path", "0.25"});
  EXPECT_EQ(config().norm, ConvMixerConfig::Norm::layer);
  EXPECT_EQ(config().activation, ConvMixerConfig::Activation::relu);
  EXPECT_EQ(config().residual, ConvMixerConfig::Residual::both);
  EXPECT_EQ(config().drop_path, 0.25F);
  EXPECT_EQ(describe(model_), "ConvMixer-256/8, kernel 5, patch 2, layer norm, ReLU, both residuals, drop-path 0.25");
  const std::string text = to_ini(groups_);
  EXPECT_THAT(text, HasSubstr("norm = layer\nactivation = relu\nresidual = both\ndropout = 0\ndrop-path = 0.25\n"));
}

TEST_F(ModelOptions, RefuseChoicesThatThereArent) {
  EXPECT_EQ(refusal({"--norm", "grup"}), "--norm grup: expected one of batch, layer, group; did you mean 'group'?");
  EXPECT_EQ(refusal({"--drop-path", "1"}), "--drop-path 1: expected a number from 0 to 0.99");
  EXPECT_EQ(refusal({"--model", "twin", "--norm", "layer"}), "--norm layer: has no effect without model = convmixer");
}

}  // namespace
}  // namespace convmixer
