#include "convmixer/core/file.hpp"
#include "support/temporary_folder.hpp"
#include "tools/tool_process.hpp"
#include "train/trainer_fixture.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <csignal>

namespace convmixer {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

class ToolSeeds : public testing::Test {
 protected:
  /// The words of a training that `seeds` takes as well.
  static std::vector<std::string> without_seed(std::vector<std::string> words) {
    if (const auto seed = std::ranges::find(words, "--seed"); seed != words.end()) words.erase(seed, seed + 2);
    return words;
  }
  [[nodiscard]] std::vector<std::string> words(const std::string& name, int count, int epochs = 1) const {
    std::vector<std::string> all = without_seed(small_training(folder(name), epochs));
    all.front() = "seeds";
    return all + std::vector<std::string>{"--count", fmt::format("{}", count)};
  }
  [[nodiscard]] fs::path folder(const std::string& name) const { return parent_.path() / name; }
  [[nodiscard]] fs::path run(const std::string& name, int seed) const {
    return folder(name) / fmt::format("seed-{}", seed);
  }
  /// As `train` alone does it.
  void train(const std::string& name, int seed, int epochs) {
    const std::vector<std::string> own{"--seed", fmt::format("{}", seed)};
    ASSERT_EQ(run_tool(without_seed(small_training(folder(name), epochs)) + own).status, 0);
  }
  static nlohmann::json read_json(const fs::path& file) { return nlohmann::json::parse(read_text_file(file)); }

  testing_support::TemporaryFolder parent_;
};

TEST_F(ToolSeeds, TrainsEachAsTrainDoesAndTellsMeanAndDeviation) {
  const ToolResult result = run_tool(words("all", 2, 2) + std::vector<std::string>{"--first-seed", "7"});
  EXPECT_EQ(result.status, 0) << result.errors;
  train("alone", 8, 2);
  expect_equal_runs(run("all", 8), folder("alone"));
  for (const char* part : {"\nseed 7, run 1 of 2\nconvmixer ", "\nseed 8, run 2 of 2\n", "\nfinished 2 epochs in ",
                           "\nseed 7: best test accuracy ", "; best of 2 runs: mean ", "  standard deviation  "})
    EXPECT_THAT(result.output, HasSubstr(part));

  const nlohmann::json json = read_json(folder("all") / "seeds.json");
  EXPECT_EQ(json["ended"], 2);
  EXPECT_EQ(json["runs"][1]["seed"], 8);
  std::vector<double> best;
  for (const int seed : {7, 8}) {
    const auto records = timeless_metrics(run("all", seed));
    best.push_back(records.back()["best_test_accuracy"]);
    EXPECT_EQ(json["runs"][best.size() - 1]["best_accuracy"].get<double>(), best.back());
    EXPECT_EQ(json["runs"][best.size() - 1]["last_accuracy"], records.back()["test_accuracy"]);
  }
  const double difference = std::abs(best[0] - best[1]);
  EXPECT_NEAR(json["best_accuracy"]["mean"].get<double>(), (best[0] + best[1]) / 2.0, 1e-12);
  EXPECT_NEAR(json["best_accuracy"]["standard_deviation"].get<double>(), difference / std::sqrt(2.0), 1e-12);
  EXPECT_NEAR(json["best_accuracy"]["standard_error"].get<double>(), difference / 2.0, 1e-12);
  EXPECT_THAT(result.output, HasSubstr("\n  mean  "));
}

TEST_F(ToolSeeds, RepeatsNoRunThatHasEndedAndAddsMore) {
  ASSERT_EQ(run_tool(words("all", 1)).status, 0);
  const auto before = fs::last_write_time(RunFolder{run("all", 1)}.config());
  const std::vector<std::string> elsewhere{"--json", folder("results.json").string()};
  const ToolResult again = run_tool(words("all", 1) + elsewhere);
  EXPECT_EQ(again.status, 0);
  EXPECT_THAT(again.output, Not(HasSubstr("epoch 1/1")));
  EXPECT_THAT(again.output, HasSubstr("\n1 run in "));
  EXPECT_EQ(read_json(folder("results.json")), read_json(folder("all") / "seeds.json"));
  EXPECT_TRUE(read_json(folder("results.json"))["best_accuracy"]["standard_deviation"].is_null());
  EXPECT_EQ(run_tool(words("all", 2)).status, 0);
  EXPECT_EQ(fs::last_write_time(RunFolder{run("all", 1)}.config()), before);
  EXPECT_EQ(read_json(folder("all") / "seeds.json")["ended"], 2);
}

TEST_F(ToolSeeds, MayPutTheirResultsIntoTheFolderThatTheyMake) {
  const fs::path json = folder("all") / "mine.json";
  const ToolResult result = run_tool(words("all", 1) + std::vector<std::string>{"--json", json.string()});
  EXPECT_EQ(result.status, 0) << result.errors;
  EXPECT_EQ(read_json(json)["ended"], 1);
  fs::create_directories(folder("there") / "folder");
  const std::vector<std::string> onto{"--json", (folder("there") / "folder").string()};
  EXPECT_EQ(run_tool(words("there", 1) + onto).status, 1);
  EXPECT_FALSE(fs::exists(run("there", 1))) << "it is known before the first run";
}

TEST_F(ToolSeeds, GoOnWhereTheyWereStopped) {
  constexpr int kEpochs = 6;
  for (const int signal : {SIGTERM, SIGKILL}) {
    ToolProcess process(words("all", 2, kEpochs));
    (void)process.wait_for_output(signal == SIGTERM ? "\nepoch 3/" : "\nseed 2, ");
    process.send(signal);
    const ToolResult stopped = process.wait();
    ASSERT_TRUE(stopped.status == 128 + signal || stopped.status == 0) << stopped.errors;
    if (signal == SIGTERM && stopped.status != 0) {
      EXPECT_THAT(stopped.output, HasSubstr("to go on, type the same command again"));
      EXPECT_THAT(stopped.output, HasSubstr("ended so far; the same command goes on"));
    }
  }
  ASSERT_EQ(run_tool(words("all", 2, kEpochs)).status, 0);
  for (const int seed : {1, 2}) {
    const std::string name = fmt::format("alone-{}", seed);
    train(name, seed, kEpochs);
    expect_equal_runs(run("all", seed), folder(name));
  }
}

TEST_F(ToolSeeds, TellTheTestAccuracyOfHeldOutRunsAndWhenAnAccuracyWasReached) {
  const std::vector<std::string> goal{"--holdout", "50", "--until-accuracy", "0.01"};
  const ToolResult result = run_tool(words("all", 2, 2) + goal);
  EXPECT_EQ(result.status, 0) << result.errors;
  for (const char* part : {"best epoch  best holdout  last holdout        test  reached in       after        time\n",
                           "\nseed 2: best holdout accuracy ", "  2 of 2 runs reached an accuracy of 1.00%\n"})
    EXPECT_THAT(result.output, HasSubstr(part));
  const nlohmann::json json = read_json(folder("all") / "seeds.json");
  EXPECT_EQ(json["evaluated_on"], "holdout");
  EXPECT_EQ(json["reached"], 2);
  for (const int seed : {1, 2}) {
    const auto records = timeless_metrics(run("all", seed));
    const auto test = std::ranges::find(records, "test", [](const nlohmann::json& r) { return r["type"]; });
    ASSERT_NE(test, records.end());
    const nlohmann::json& own = json["runs"][static_cast<std::size_t>(seed) - 1];
    EXPECT_EQ(own["test_accuracy"].get<double>(), (*test)["test_accuracy"].get<double>());
    EXPECT_EQ(own["until_epoch"], 1);
    EXPECT_LE(own["until_seconds"].get<double>(), own["seconds"].get<double>());
  }
  const ToolResult again = run_tool(words("all", 2, 2) + goal);
  EXPECT_THAT(again.output, Not(HasSubstr("seed 1, run")));
}

TEST_F(ToolSeeds, RefuseAFolderOfOtherSettingsBeforeAnyTraining) {
  ASSERT_EQ(run_tool(words("all", 1)).status, 0);
  const ToolResult other =
      run_tool(words("all", 1) + std::vector<std::string>{"--first-seed", "5", "--weight-decay", "0.5"});
  EXPECT_EQ(other.status, 2);
  EXPECT_THAT(other.errors, HasSubstr("\"weight-decay\" was \"0.05\" when it was saved and is \"0.5\" now"));
  EXPECT_FALSE(fs::exists(run("all", 5)));
  const ToolResult seed = run_tool(words("all", 1) + std::vector<std::string>{"--seed", "5"});
  EXPECT_EQ(seed.status, 2);
  EXPECT_THAT(seed.errors, HasSubstr("--first-seed"));

  train("single", 1, 1);
  const ToolResult single = run_tool(words("single", 1));
  EXPECT_EQ(single.status, 2);
  EXPECT_THAT(single.errors, HasSubstr("holds a run of its own"));
}

TEST_F(ToolSeeds, KeepThoseThatWereThereWithFresh) {
  ASSERT_EQ(run_tool(words("all", 1)).status, 0);
  EXPECT_EQ(run_tool(words("all", 1) + std::vector<std::string>{"--fresh", "--weight-decay", "0.5"}).status, 0);
  EXPECT_TRUE(RunFolder{run("all.1", 1)}.holds_state());
  EXPECT_EQ(read_config(RunFolder{run("all", 1)}.config()).optimizer.weight_decay, 0.5F);
}

TEST_F(ToolSeeds, BeginAnewWhereARunHasLostItsState) {
  ASSERT_EQ(run_tool(words("all", 1)).status, 0);
  fs::remove(RunFolder{run("all", 1)}.state());
  const ToolResult lost = run_tool(words("all", 1));
  EXPECT_EQ(lost.status, 2);
  EXPECT_THAT(lost.errors, HasSubstr("--fresh to begin anew"));
  EXPECT_EQ(run_tool(words("all", 1) + std::vector<std::string>{"--fresh"}).status, 0);
  EXPECT_TRUE(RunFolder{run("all", 1)}.holds_state());
  EXPECT_TRUE(fs::exists(RunFolder{run("all.1", 1)}.config()));
}

TEST_F(ToolSeeds, MoveNothingForRunsThatAreRefused) {
  ASSERT_EQ(run_tool(words("all", 1)).status, 0);
  const ToolResult result = run_tool(
      words("all", 1) + std::vector<std::string>{"--fresh", "--optimizer", "sgd", "--nesterov", "--momentum", "0"});
  EXPECT_EQ(result.status, 2);
  EXPECT_FALSE(fs::exists(folder("all.1")));
  EXPECT_TRUE(RunFolder{run("all", 1)}.holds_state());
}

TEST_F(ToolSeeds, TrainTheOthersWhereOneFails) {
  const fs::path in_the_way = run("all", 1);
  fs::create_directories(folder("all"));
  parent_.write("all/seed-1", "no folder");
  const ToolResult result = run_tool(words("all", 2));
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.errors, HasSubstr("1 run failed: seed 1: " + in_the_way.string()));
  EXPECT_EQ(read_json(folder("all") / "seeds.json")["ended"], 1);
}

TEST_F(ToolSeeds, LookOnlyInADryRun) {
  const ToolResult result =
      run_tool(words("all", 3) + std::vector<std::string>{"--dry-run", "--estimate-seconds", "0.05"});
  EXPECT_EQ(result.status, 0) << result.errors;
  EXPECT_THAT(result.output, HasSubstr("3 of 3 runs left to train in "));
  EXPECT_FALSE(fs::exists(folder("all")));
}

}  // namespace
}  // namespace convmixer
