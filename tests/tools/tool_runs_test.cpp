/// `runs` and `compare`, and what a run is called.
#include "convmixer/core/file.hpp"
#include "convmixer/train/run_history.hpp"
#include "support/temporary_folder.hpp"
#include "tools/tool_process.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <fstream>
#include <utility>

namespace convmixer {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class ToolRuns : public testing::Test {
 protected:
  testing_support::TemporaryFolder parent_;
  fs::path runs_ = parent_.path() / "runs";

  /// A run of which only what people look at is there.
  void write_run(const std::string& name, const std::string& config, double accuracy, double seconds) {
    parent_.write("runs/" + name + "/config.ini", "model = convmixer\ndim = 64\ndepth = 4\nepochs = 2\n" + config);
    std::string metrics;
    for (int epoch = 1; epoch <= 2; ++epoch) {
      metrics += fmt::format(R"({{"type":"epoch","epoch":{0},"step":{0},"loss":1.5,"test_loss":2,"test_accuracy":{1},)"
                             R"("total_s":{2}}})",
                             epoch, accuracy / (3 - epoch), seconds) +
                 "\n";
    }
    parent_.write("runs/" + name + "/metrics.jsonl", metrics);
  }
  [[nodiscard]] ToolResult list(const std::vector<std::string>& options = {}) const {
    return run_tool(std::vector<std::string>{"runs", runs_.string()} + options);
  }
  [[nodiscard]] std::vector<std::string> folders(const std::vector<std::string>& options) const {
    std::vector<std::string> names;
    const ToolResult result = list(options + std::vector<std::string>{"--json", "-"});
    EXPECT_EQ(result.status, 0) << result.errors;
    const auto json = nlohmann::json::parse(result.output);
    for (const auto& run : json["runs"]) names.push_back(fs::path(run["folder"].get<std::string>()).filename());
    return names;
  }
};

TEST_F(ToolRuns, ListsEachWithModelEpochsBestTimeAndState) {
  write_run("a", "name = the first\ntag = quick,wide\n", 0.5, 75);
  write_run("deep/b", "", 0.25, 5);
  const ToolResult result = list({"--sort", "folder"});
  EXPECT_EQ(result.status, 0) << result.errors;
  EXPECT_THAT(result.output,
              testing::ContainsRegex("^run     name       model +epochs +best +time +last written +state"));
  EXPECT_THAT(result.output, testing::ContainsRegex("\na       the first  ConvMixer-64/4 +2/2 +50.00% test +1m15s .* "
                                                    "finished +quick, wide\n"));
  EXPECT_THAT(result.output, HasSubstr("\ndeep/b "));
  EXPECT_THAT(result.output, Not(HasSubstr("\x1b"))) << "a file is no terminal";
}

TEST_F(ToolRuns, SortsAndFilters) {
  write_run("a", "name = z\ntag = x,y\n", 0.5, 10);
  write_run("b", "tag = x\n", 0.75, 30);
  write_run("c", "", 0.25, 20);
  EXPECT_THAT(folders({"--sort", "best"}), ElementsAre("b", "a", "c"));
  EXPECT_THAT(folders({"--sort", "time"}), ElementsAre("b", "c", "a"));
  EXPECT_THAT(folders({"--sort", "name"}), ElementsAre("b", "c", "a"));
  EXPECT_THAT(folders({"--sort", "folder", "--reverse"}), ElementsAre("c", "b", "a"));
  EXPECT_THAT(folders({"--sort", "folder", "--tag", "x"}), ElementsAre("a", "b"));
  EXPECT_THAT(folders({"--tag", "x", "--tag", "y"}), ElementsAre("a"));
  EXPECT_THAT(folders({"--depth", "0"}), ElementsAre());
  EXPECT_THAT(list({"--tag", "none"}).output, HasSubstr("no runs with these tags in "));
}

TEST_F(ToolRuns, SortsByDateEpochsAndState) {
  for (const char* name : {"a", "b", "c"}) write_run(name, "", 0.5, 10);
  write_run("d", "cooldown-epochs = 3\n", 0.5, 10);
  std::ofstream(runs_ / "c/metrics.jsonl", std::ios::app)
      << R"({"type":"epoch","epoch":3,"step":3,"loss":1.5,"test_accuracy":0.125,"total_s":12})"
      << "\n";
  const fs::file_time_type now = fs::file_time_type::clock::now();
  for (const auto& [name, seconds] : {std::pair("a", 10), std::pair("b", 30), std::pair("c", 20), std::pair("d", 40)})
    fs::last_write_time(runs_ / name / "metrics.jsonl", now + std::chrono::seconds(seconds));
  EXPECT_THAT(folders({}), ElementsAre("d", "b", "c", "a")) << "the latest first, without being asked";
  EXPECT_THAT(folders({"--sort", "date"}), ElementsAre("d", "b", "c", "a"));
  EXPECT_THAT(folders({"--sort", "epochs"}), ElementsAre("c", "a", "b", "d"));
  EXPECT_THAT(folders({"--sort", "state"}), ElementsAre("d", "a", "b", "c")) << "stopped, finished";
}

TEST_F(ToolRuns, WritesEverythingAsJson) {
  write_run("a", "name = x\ntag = p,q\nnote = y\n", 0.5, 10);
  std::ofstream(runs_ / "a/metrics.jsonl", std::ios::app)
      << R"({"type":"epoch","epoch":3,"step":3,"loss":1.5,"test_accuracy":0.125,"total_s":12})"
      << "\n";
  const fs::path file = parent_.path() / "runs.json";
  EXPECT_THAT(list({"--json", file.string()}).output, HasSubstr("a ")) << "the table as well";
  const auto json = nlohmann::json::parse(read_text_file(file));
  EXPECT_EQ(json["unreadable"].size(), 0U);
  nlohmann::json run = json["runs"][0];
  EXPECT_GT(run["modified"], 1e9);
  run.erase("modified");
  run.erase("folder");
  EXPECT_EQ(run, nlohmann::json::parse(R"({"name": "x", "tags": ["p", "q"], "note": "y", "model": "ConvMixer-64/4",
    "state": "finished", "error": null, "epochs": 3, "epochs_planned": 2, "evaluated_on": "test",
    "best": {"epoch": 2, "accuracy": 0.5}, "last": {"epoch": 3, "accuracy": 0.125}, "test_accuracy": null,
    "seconds": 12.0, "started": null, "problem": null})"));
}

TEST_F(ToolRuns, ComparesTheLossOfTheWeightsThatAreSaved) {
  write_run("a", "", 0.5, 10);
  write_run("b", "", 0.5, 10);
  std::ofstream(runs_ / "b/metrics.jsonl", std::ios::app)
      << R"({"type":"epoch","epoch":3,"step":3,"test_loss":2,"ema_test_loss":0.75,"ema_test_accuracy":0.7})"
      << "\n";
  const std::vector<std::string> words{"compare", (runs_ / "a").string(), (runs_ / "b").string()};
  EXPECT_THAT(run_tool(words).output, testing::ContainsRegex("\nlast loss +2.0000 +0.7500\n"));
  const auto json = nlohmann::json::parse(run_tool(words + std::vector<std::string>{"--json", "-"}).output);
  EXPECT_EQ(json["runs"][0]["evaluated_loss"], 2.0);
  EXPECT_EQ(json["runs"][1]["evaluated_loss"], 0.75);
}

TEST_F(ToolRuns, ShowsHostileNamesAsTextAndLeavesOutWhatCanNotBeRead) {
  write_run("a\x1b[31m", "name = <b>\x1b]0;x\x07\nnote = \xff\n", 0.5, 10);
  write_run("broken", "half a li\n", 0.5, 10);
  parent_.write("runs/noise/config.ini", "");
  parent_.write("runs/noise/metrics.jsonl", "\x01\x02\n\xff\n");
  const ToolResult result = list();
  EXPECT_EQ(result.status, 0);
  EXPECT_THAT(result.output, HasSubstr("<b>\\x1b]0;x\\x07"));
  EXPECT_THAT(result.output, Not(HasSubstr("\x1b")));
  EXPECT_THAT(result.output, HasSubstr("broken: left out: "));
  EXPECT_THAT(result.output, HasSubstr("metrics.jsonl:1: no record"));
  EXPECT_THAT(folders({"--sort", "folder"}), ElementsAre("a\x1b[31m", "noise"));
}

TEST_F(ToolRuns, ComparesSettingsAndResults) {
  write_run("a", "batch-size = 64\nlr = 0.5\n", 0.5, 75);
  write_run("b", "batch-size = 64\n", 0.25, 5);
  const std::vector<std::string> words{"compare", (runs_ / "a").string(), (runs_ / "b").string()};
  const ToolResult result = run_tool(words);
  EXPECT_EQ(result.status, 0) << result.errors;
  EXPECT_THAT(result.output, HasSubstr("setting  a    b\nlr       0.5  0.01\n5 other settings are the same\n"));
  EXPECT_THAT(result.output, testing::ContainsRegex("\nbest accuracy +50.00%, epoch 2 +25.00%, epoch 2\n"));
  EXPECT_THAT(result.output, testing::ContainsRegex("\ntime +1m15s +5.0s\n"));
  const auto json = nlohmann::json::parse(run_tool(words + std::vector<std::string>{"--json", "-"}).output);
  EXPECT_EQ(json["settings"], nlohmann::json::parse(R"([{"key":"lr","values":["0.5","0.01"]}])"));
  EXPECT_EQ(json["runs"][1]["best"]["accuracy"], 0.25);
  EXPECT_EQ(json["runs"][0]["train_loss"], 1.5);
  EXPECT_EQ(json["equal_settings"], 5);
  const ToolResult alone = run_tool({"compare", (runs_ / "a").string()});
  EXPECT_EQ(alone.status, 2);
  EXPECT_THAT(alone.errors, HasSubstr("two or more runs"));
}

TEST_F(ToolRuns, AreCalledAsTheyWereUntilTheyAreCalledOtherwise) {
  const std::vector<std::string> train = small_training(runs_ / "a", 1);
  ASSERT_EQ(run_tool(train +
                     std::vector<std::string>{"--name", "first try", "--tag", "x", "--tag", "y,z", "--note", "1 = one"})
                .status,
            0);
  RunHistory history(runs_ / "a");
  EXPECT_EQ(history.name(), "first try");
  EXPECT_THAT(history.tags(), ElementsAre("x", "y", "z"));
  EXPECT_EQ(history.note(), "1 = one");
  ASSERT_EQ(run_tool(train + std::vector<std::string>{"--tag", "w"}).status, 0);
  (void)history.read_more();
  EXPECT_EQ(history.name(), "first try");
  EXPECT_THAT(history.tags(), ElementsAre("w"));
  const std::string out = (runs_ / "a").string();
  ASSERT_EQ(run_tool({"train", "--resume", out, "--name", "", "--tag", ""}).status, 0);
  (void)history.read_more();
  EXPECT_EQ(history.name(), "a");
  EXPECT_THAT(history.tags(), ElementsAre());
  EXPECT_EQ(history.note(), "1 = one");
  const ToolResult refused = run_tool(train + std::vector<std::string>{"--tag", "x", "--tag", "x"});
  EXPECT_EQ(refused.status, 2);
  EXPECT_THAT(refused.errors, HasSubstr("--tag x --tag x: expected tags"));
}

}  // namespace
}  // namespace convmixer
