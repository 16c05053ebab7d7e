// What is said where an option makes sense for another model than the one that there is, and of weights of another.
#include "support/temporary_folder.hpp"
#include "tools/tool_process.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace convmixer {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

/// With a run of a small ViT.
class ToolModels : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    parent_ = new testing_support::TemporaryFolder;
    ASSERT_EQ(
        run_tool(training("vit") + std::vector<std::string>{"--model", "vit", "--dim", "8", "--depth", "1", "--heads",
                                                            "2", "--mlp-dim", "8", "--patch-size", "8"})
            .status,
        0);
  }
  static void TearDownTestSuite() {
    delete parent_;
    parent_ = nullptr;
  }

  static fs::path vit() { return parent_->path() / "vit"; }
  static std::vector<std::string> training(const std::string& run) {
    return {"train",
            "--out",
            parent_->path() / run,
            "--train-images",
            "32",
            "--test-images",
            "20",
            "--batch-size",
            "16",
            "--epochs",
            "1",
            "--precision",
            "f32",
            "--threads",
            "1"};
  }
  /// The one line of a call that must fail with this status.
  static std::string refusal(const std::vector<std::string>& words, int status = 2) {
    const ToolResult result = run_tool(words);
    EXPECT_EQ(result.status, status) << result.output;
    EXPECT_EQ(std::ranges::count(result.errors, '\n'), 1) << result.errors;
    return result.errors;
  }

  static testing_support::TemporaryFolder* parent_;
};

testing_support::TemporaryFolder* ToolModels::parent_ = nullptr;

TEST_F(ToolModels, HaveTheNamesOfConvMixersIfTheyAreOnes) {
  const fs::path file = parent_->path() / "a.pth";
  for (const std::string names : {"locuslab", "paper", "labml"}) {
    EXPECT_EQ(refusal({"export", vit(), "--out", file, "--names", names}),
              "convmixer: error: --names " + names + ": for ConvMixers alone, " +
                  (vit() / "best.safetensors").string() +
                  " is of model = vit; expected no --names: its weights have timm's\n");
    EXPECT_FALSE(fs::exists(file));
  }
  const ToolResult exported = run_tool({"export", vit(), "--out", file, "--names", "timm"});
  EXPECT_EQ(exported.status, 0);
  EXPECT_THAT(exported.output, HasSubstr("PyTorch, f32, timm's names"));
}

TEST_F(ToolModels, OfTorchvisionHaveItsNames) {
  const fs::path run = parent_->path() / "of-torchvision";
  ASSERT_EQ(
      run_tool(training("of-torchvision") + std::vector<std::string>{"--model", "resnet", "--layers", "8"}).status, 0);
  const fs::path file = parent_->path() / "b.pth";
  EXPECT_THAT(refusal({"export", run, "--out", file, "--names", "timm"}),
              HasSubstr(" is of model = resnet; expected no --names: its weights have torchvision's\n"));
  const ToolResult exported = run_tool({"export", run, "--out", file});
  EXPECT_EQ(exported.status, 0);
  EXPECT_THAT(exported.output, HasSubstr("PyTorch, f32, torchvision's names"));
}

/// Each of them before the network, its images and their number are told of.
TEST_F(ToolModels, AreRefusedFusedStagesWithNothingElsePrinted) {
  for (const char* command : {"eval", "train"}) {
    const std::vector<std::string> words =
        command == std::string("eval")
            ? std::vector<std::string>{"eval", vit()}
            : training("refused") + std::vector<std::string>{"--model", "vit", "--dim", "8", "--heads", "2"};
    const ToolResult result = run_tool(words + std::vector<std::string>{"--plan", "fused"});
    EXPECT_EQ(result.status, 2) << command;
    EXPECT_EQ(result.output, "") << command;
    EXPECT_THAT(result.errors, HasSubstr("convmixer: error: plan = fused: ")) << command;
    EXPECT_THAT(result.errors, HasSubstr("; expected plan = automatic, plain or onednn\n")) << command;
  }
}

TEST_F(ToolModels, HaveImagesOfTheirOwnSizeWhereTheirWeightsDependOnIt) {
  const std::string expected = "convmixer: error: image-size = 48: " + (vit() / "best.safetensors").string() +
                               " is for images of 32 x 32 pixels alone: the shape of vit's pos_embed depends on it\n";
  EXPECT_EQ(refusal({"export", vit(), "--out", parent_->path() / "a.onnx", "--image-size", "48"}), expected);
  EXPECT_EQ(refusal({"predict", vit(), "none.png", "--image-size", "48"}), expected);
}

TEST_F(ToolModels, AreThatOfTheWeightsWhereNoneIsNamed) {
  const auto with_weights = [](const std::vector<std::string>& more) {
    return training("more") + std::vector<std::string>{"--init", vit()} + more;
  };
  EXPECT_THAT(refusal(with_weights({"--dim", "20"})), HasSubstr("dim = 8, but --dim 20: without these settings"));
  EXPECT_THAT(refusal(with_weights({"--layers", "8"})), HasSubstr("--layers 8: has no effect without model = resnet"));
  EXPECT_THAT(refusal(with_weights({"--model", "convmixer", "--dim", "8"})),
              HasSubstr("its model is vit, but model = convmixer"));
  // A size that the weights have: the same command again finds its run.
  for (int time = 0; time < 2; ++time) {
    const ToolResult result = run_tool(with_weights({"--heads", "2", "--dropout", "0.25"}));
    EXPECT_EQ(result.status, 0) << result.errors;
  }
  EXPECT_THAT(refusal(with_weights({"--heads", "4"})),
              HasSubstr(R"("heads" was "2" when it was saved and is "4" now)"));
}

TEST_F(ToolModels, AreNotInitialisedByWhatTheyDontHave) {
  const auto resnet = [](const std::vector<std::string>& more) {
    return training("resnet") + std::vector<std::string>{"--model", "resnet", "--layers", "8", "--width", "4"} + more;
  };
  EXPECT_THAT(refusal(resnet({"--depthwise-init", "gaussian"})),
              HasSubstr("depthwise-init = gaussian: the network has no depthwise convolution, as ConvMixers have"));
  EXPECT_THAT(refusal(resnet({"--stem-init", "whitened"})),
              HasSubstr("stem-init = whitened: the network's first convolution, conv1, has no bias"));
}

}  // namespace
}  // namespace convmixer
