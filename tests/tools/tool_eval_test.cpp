#include "convmixer/core/file.hpp"
#include "support/temporary_folder.hpp"
#include "tools/tool_process.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <sstream>

namespace convmixer {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

/// A run that all tests evaluate.
class ToolEval : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    parent_ = new testing_support::TemporaryFolder;
    ASSERT_EQ(run_tool(small_training(run(), 3)).status, 0);
  }
  static void TearDownTestSuite() {
    delete parent_;
    parent_ = nullptr;
  }

  static fs::path run() { return parent_->path() / "run"; }
  /// The record of an epoch, or of the best if 0.
  static nlohmann::json logged(int epoch) {
    nlohmann::json found;
    std::istringstream text(read_text_file(run() / "metrics.jsonl"));
    for (std::string line; std::getline(text, line);) {
      const auto record = nlohmann::json::parse(line);
      if (record["type"] != "epoch") continue;
      const bool better = found.is_null() || record["test_accuracy"] > found["test_accuracy"];
      if (epoch == 0 ? better : record["epoch"] == epoch) found = record;
    }
    return found;
  }
  static nlohmann::json evaluated(const std::vector<std::string>& words) {
    const fs::path file = parent_->path() / "eval.json";
    const ToolResult result =
        run_tool(std::vector<std::string>{"eval"} + words + std::vector<std::string>{"--json", file});
    EXPECT_EQ(result.status, 0) << result.errors;
    return nlohmann::json::parse(read_text_file(file));
  }
  static void expect_logged(const nlohmann::json& evaluation, const nlohmann::json& record) {
    EXPECT_EQ(evaluation["loss"], record["test_loss"]);
    EXPECT_EQ(evaluation["accuracy"], record["test_accuracy"]);
    EXPECT_EQ(evaluation["top5"], record["test_top5"]);
  }

  static testing_support::TemporaryFolder* parent_;
};

testing_support::TemporaryFolder* ToolEval::parent_ = nullptr;

TEST_F(ToolEval, GivesTheNumbersOfTheTrainingLog) {
  expect_logged(evaluated({run()}), logged(0));
  expect_logged(evaluated({run(), "--checkpoint", "last"}), logged(3));
  expect_logged(evaluated({run() / "last.safetensors"}), logged(3));
  const fs::path copy = parent_->path() / "copy.safetensors";
  fs::copy_file(run() / "last.safetensors", copy, fs::copy_options::overwrite_existing);
  expect_logged(evaluated({run(), "--checkpoint", copy}), logged(3));
}

TEST_F(ToolEval, GivesThemForAWeightsFileAlone) {
  const fs::path file = parent_->path() / "weights.safetensors";
  fs::copy_file(run() / "last.safetensors", file, fs::copy_options::overwrite_existing);
  expect_logged(evaluated({file, "--test-images", "100", "--eval-batch-size", "50", "--precision", "f32"}), logged(3));
}

/// A run folder of version 0.1.0, whose configuration names no model.
TEST_F(ToolEval, GivesTheAccuracyThatVersion010Recorded) {
  const fs::path old = fs::path(CONVMIXER_SOURCE_DIR) / "tests" / "train" / "old_run";
  EXPECT_EQ(evaluated({old})["accuracy"], 0.15);
  EXPECT_EQ(evaluated({old / "last.safetensors", "--threads", "1"})["accuracy"], 0.15);
}

TEST_F(ToolEval, PrintsTheAccuracyOfEveryClass) {
  const ToolResult result = run_tool({"eval", run()});
  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(result.errors, "");
  EXPECT_THAT(result.output, HasSubstr("best.safetensors: ConvMixer-16/2, kernel 3, patch 4"));
  EXPECT_THAT(result.output, HasSubstr("top-1 "));
  EXPECT_THAT(result.output, HasSubstr("(100 images"));
  const nlohmann::json evaluation = evaluated({run()});
  ASSERT_EQ(evaluation["classes"].size(), 10U);
  for (const auto& one : evaluation["classes"]) EXPECT_THAT(result.output, HasSubstr(one["name"].get<std::string>()));
}

TEST_F(ToolEval, RefusesADataSetWithOtherClasses) {
  const ToolResult result = run_tool({"eval", run(), "--dataset", "cifar100", "--data", "/none"});
  EXPECT_NE(result.status, 0);
}

TEST_F(ToolEval, NamesADamagedWeightsFile) {
  const fs::path file = parent_->path() / "damaged.safetensors";
  const std::string whole = read_text_file(run() / "last.safetensors");
  write_file_atomically(file, whole.substr(0, whole.size() - 100));
  const ToolResult result = run_tool({"eval", file});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.errors, HasSubstr(file.string()));
}

}  // namespace
}  // namespace convmixer
