#include "convmixer/core/file.hpp"
#include "support/temporary_folder.hpp"
#include "tools/tool_process.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace convmixer {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

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

  /// Of a file without quotes.
  static std::vector<std::vector<std::string>> csv_rows(const fs::path& file) {
    std::vector<std::vector<std::string>> rows;
    std::istringstream text(read_text_file(file));
    for (std::string line; std::getline(text, line);) {
      std::istringstream fields(line);
      rows.emplace_back();
      for (std::string field; std::getline(fields, field, ',');) rows.back().push_back(field);
    }
    return rows;
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

TEST_F(ToolEval, PrintsTheScoresOfEveryClassAndWhatIsConfused) {
  const ToolResult result = run_tool({"eval", run()});
  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(result.errors, "");
  EXPECT_THAT(result.output, HasSubstr("best.safetensors: ConvMixer-16/2, kernel 3, patch 4"));
  EXPECT_THAT(result.output, HasSubstr("top-1 "));
  EXPECT_THAT(result.output, HasSubstr("(100 images"));
  EXPECT_THAT(result.output, HasSubstr("expected calibration error "));
  EXPECT_THAT(result.output, HasSubstr("precision   recall       F1\n"));
  EXPECT_THAT(result.output, HasSubstr("confusion matrix"));
  EXPECT_THAT(result.output, HasSubstr(" taken for "));
  EXPECT_THAT(result.output, Not(HasSubstr("\x1b"))) << "no terminal";
  const nlohmann::json evaluation = evaluated({run()});
  ASSERT_EQ(evaluation["classes"].size(), 10U);
  for (const auto& one : evaluation["classes"]) EXPECT_THAT(result.output, HasSubstr(one["name"].get<std::string>()));
}

/// The files say the same of every image: what one has in sums, the other has line by line.
TEST_F(ToolEval, WritesPredictionsAndTheMatrixThatFollowFromOneAnother) {
  const fs::path predictions = parent_->path() / "predictions.csv";
  const fs::path matrix = parent_->path() / "matrix.csv";
  const nlohmann::json evaluation =
      evaluated({run(), "--predictions", predictions, "--top", "2", "--confusion-csv", matrix});
  const std::vector<std::vector<std::string>> rows = csv_rows(predictions);
  ASSERT_EQ(rows.size(), 101U);
  EXPECT_THAT(rows[0], ElementsAre("index", "file", "label", "prediction", "probability", "label_probability",
                                   "label_rank", "prediction_2", "probability_2"));
  std::map<std::string, std::map<std::string, int>> taken;
  int correct = 0;
  int in_top5 = 0;
  double confidence = 0.0;
  double log_loss = 0.0;
  for (std::size_t i = 1; i < rows.size(); ++i) {
    const std::vector<std::string>& row = rows[i];
    ASSERT_EQ(row.size(), 9U);
    EXPECT_EQ(row[0], std::to_string(i - 1));
    EXPECT_EQ(row[1], "") << "shapes come from no file";
    ++taken[row[2]][row[3]];
    correct += row[2] == row[3] ? 1 : 0;
    EXPECT_EQ(row[2] == row[3], row[6] == "1");
    in_top5 += std::stoi(row[6]) <= 5 ? 1 : 0;
    confidence += std::stod(row[4]) / 100.0;
    log_loss -= std::log(std::stod(row[5])) / 100.0;
    EXPECT_NE(row[7], row[3]);
    EXPECT_LE(std::stod(row[8]), std::stod(row[4]));
  }
  EXPECT_EQ(evaluation["accuracy"], correct / 100.0);
  EXPECT_EQ(evaluation["top5"], in_top5 / 100.0);
  EXPECT_NEAR(evaluation["calibration"]["confidence"], confidence, 1e-6);
  EXPECT_NEAR(evaluation["loss"], log_loss, 1e-5);
  const std::vector<std::vector<std::string>> counts = csv_rows(matrix);
  ASSERT_EQ(counts.size(), 11U);
  for (std::size_t label = 1; label <= 10; ++label)
    for (std::size_t predicted = 1; predicted <= 10; ++predicted)
      EXPECT_EQ(std::stoi(counts[label][predicted]), taken[counts[label][0]][counts[0][predicted]]);
}

TEST_F(ToolEval, GivesNumbersThatFollowFromTheClasses) {
  const nlohmann::json evaluation = evaluated({run()});
  double precision = 0.0;
  std::int64_t confused = 0;
  for (const auto& one : evaluation["classes"]) {
    const double predicted = one["predicted"];
    const double of_it = predicted == 0.0 ? 0.0 : one["correct"].get<double>() / predicted;
    EXPECT_DOUBLE_EQ(one["precision"], of_it);
    EXPECT_DOUBLE_EQ(one["recall"], one["correct"].get<double>() / one["images"].get<double>());
    precision += of_it / 10.0;
    confused += one["images"].get<std::int64_t>() - one["correct"].get<std::int64_t>();
  }
  EXPECT_EQ(evaluation["macro"]["classes"], 10);
  EXPECT_NEAR(evaluation["macro"]["precision"], precision, 1e-12);
  double error = 0.0;
  for (const auto& bin : evaluation["calibration"]["bins"]) {
    if (bin["images"] == 0) continue;
    error +=
        bin["images"].get<double>() / 100.0 * std::abs(bin["accuracy"].get<double>() - bin["confidence"].get<double>());
  }
  EXPECT_NEAR(evaluation["calibration"]["error"], error, 1e-12);
  for (const auto& one : evaluation["confusions"]) confused -= one["images"].get<std::int64_t>();
  EXPECT_EQ(confused, 0);
}

TEST_F(ToolEval, LooksAtMirrorImagesTooWithTta) {
  const nlohmann::json plain = evaluated({run()});
  const nlohmann::json flipped = evaluated({run(), "--tta", "flip"});
  EXPECT_EQ(flipped["tta"], "flip");
  EXPECT_NE(flipped["loss"], plain["loss"]);
  EXPECT_EQ(flipped["images"], 100);
}

TEST_F(ToolEval, TellsOfHowManyImagesItTookFurtherViews) {
  const nlohmann::json all = evaluated({run(), "--tta", "flip-shift"});
  EXPECT_EQ(all["tta"], "flip-shift");
  EXPECT_EQ(all["tta_images"], 100);
  const nlohmann::json none = evaluated({run(), "--tta", "flip-shift", "--tta-below", "0"});
  EXPECT_EQ(none["tta_images"], 0);
  EXPECT_EQ(none["loss"], evaluated({run()})["loss"]);
  const ToolResult some = run_tool({"eval", run(), "--tta", "flip-shift", "--tta-below", "0.5"});
  EXPECT_THAT(some.output, HasSubstr("six views, where the first look gives less than 0.5\n"));
  EXPECT_THAT(some.output, HasSubstr("further views of "));
  const ToolResult refused = run_tool({"eval", run(), "--tta-below", "0.5"});
  EXPECT_EQ(refused.status, 2);
  EXPECT_THAT(refused.errors, HasSubstr("--tta-below 0.5: has no effect without tta = flip or flip-shift"));
}

TEST_F(ToolEval, DrawsTheConfusionMatrix) {
  const fs::path file = parent_->path() / "matrix.png";
  const ToolResult result = run_tool({"eval", run(), "--confusion-png", file});
  EXPECT_EQ(result.status, 0) << result.errors;
  EXPECT_THAT(read_text_file(file), StartsWith("\x89PNG"));
  EXPECT_THAT(result.output, HasSubstr("wrote " + file.string()));
}

TEST_F(ToolEval, RefusesOutputsThatCannotBeWrittenBeforeTheWork) {
  for (const std::string option : {"--json", "--predictions", "--confusion-csv", "--confusion-png"}) {
    const ToolResult result = run_tool({"eval", run(), option, parent_->path() / "none" / "file.png"});
    EXPECT_EQ(result.status, 1) << option;
    EXPECT_THAT(result.errors, HasSubstr("can't be created")) << option;
    EXPECT_EQ(result.output, "") << option;
  }
}

TEST_F(ToolEval, RefusesTwoOutputsInOneFileAndOneInWhatIsRead) {
  const fs::path file = parent_->path() / "both";
  const ToolResult both = run_tool({"eval", run(), "--json", file, "--predictions", parent_->path() / "." / "both"});
  EXPECT_EQ(both.status, 2);
  EXPECT_THAT(both.errors, HasSubstr("--json and --predictions both name "));
  EXPECT_FALSE(fs::exists(file));
  const std::string weights = read_text_file(run() / "best.safetensors");
  const ToolResult itself = run_tool({"eval", run(), "--confusion-csv", run() / "best.safetensors"});
  EXPECT_EQ(itself.status, 2);
  EXPECT_THAT(itself.errors, HasSubstr("that is a file of the run in"));
  EXPECT_EQ(read_text_file(run() / "best.safetensors"), weights);
}

TEST_F(ToolEval, EvaluatesASingleImage) {
  const nlohmann::json evaluation = evaluated({run(), "--test-images", "1"});
  EXPECT_EQ(evaluation["images"], 1);
  const int occur = evaluation["macro"]["classes"];
  EXPECT_EQ(occur, evaluation["accuracy"] == 1.0 ? 1 : 2);
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
