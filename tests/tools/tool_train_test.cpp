#include "convmixer/core/file.hpp"
#include "convmixer/train/run_history.hpp"
#include "support/temporary_folder.hpp"
#include "tools/tool_process.hpp"
#include "train/trainer_fixture.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <thread>

namespace convmixer {
namespace {

namespace fs = std::filesystem;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

class ToolTrain : public testing::Test {
 protected:
  static std::map<std::string, fs::file_time_type> names_and_times(const fs::path& folder) {
    std::map<std::string, fs::file_time_type> found;
    for (const auto& entry : fs::directory_iterator(folder)) found[entry.path().filename()] = entry.last_write_time();
    return found;
  }

  ToolResult train(const std::string& name, int epochs = 2, const std::vector<std::string>& more = {}) {
    return run_tool(small_training(folder(name), epochs) + more);
  }
  [[nodiscard]] fs::path folder(const std::string& name) const { return parent_.path() / name; }

  testing_support::TemporaryFolder parent_;
};

TEST_F(ToolTrain, PrintsWhatWillRunThenEveryEpochThenTheEnd) {
  const ToolResult result = train("run");
  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(result.errors, "");
  for (const std::string& part :
       {folder("run").string() + " (new)", std::string("ConvMixer-16/2, kernel 3, patch 4"),
        std::string("shapes: 256 training and 100 test images"), std::string("AdamW"),
        std::string("2 epochs of 16 steps, batch 16"), std::string("oneDNN"), std::string("planned"),
        std::string("\nepoch 1/2  train loss "), std::string("\nepoch 2/2  train loss "),
        std::string("\nfinished 2 epochs in "), (folder("run") / "best.safetensors").string()}) {
    EXPECT_THAT(result.output, HasSubstr(part));
  }
}

TEST_F(ToolTrain, SaysWhoseAccuracyItIsWhereWeightsAreAveraged) {
  EXPECT_THAT(train("run", 1).output, Not(HasSubstr("averaged")));
  EXPECT_THAT(
      train("averaged", 1, {"--ema-decay", "0.9"}).output,
      ContainsRegex("\nfinished 1 epoch in [0-9.]*s; best test accuracy [0-9.]*% .averaged weights. in epoch 1: "));
}

TEST_F(ToolTrain, SaysWhatMuonWorksIn) {
  EXPECT_THAT(train("run", 1, {"--optimizer", "muon", "--dry-run", "--estimate-seconds", "0.01"}).output,
              ContainsRegex("\n  memory .* KiB parameters, [0-9.]* KiB for the optimiser to work in\n"));
}

TEST_F(ToolTrain, GoesByHeldOutImagesAndSaysWhatTheTestSetGaveAtTheEnd) {
  const std::vector<std::string> holdout{"--holdout", "0.25", "--until-accuracy", "1"};
  const std::string output = train("run", 2, holdout).output;
  for (const char* part :
       {"shapes: 192 training, 64 held-out and 100 test images", "epochs go by the held-out images (holdout-seed 1); ",
        "2 epochs of 12 steps", "  holdout loss ", "\ntest images, once, with the weights of epoch ",
        "; best holdout accuracy ", ", test accuracy "}) {
    EXPECT_THAT(output, HasSubstr(part));
  }
  EXPECT_THAT(output, Not(HasSubstr("  test loss ")));
  const std::string again = train("run", 2, holdout).output;
  EXPECT_THAT(again, HasSubstr("is finished: 2 epochs; best holdout accuracy "));
  EXPECT_THAT(again, HasSubstr(", test accuracy "));
  EXPECT_THAT(again, Not(HasSubstr("test images, once")));

  const std::string file = folder("eval.json").string();
  const auto evaluated = [&](const std::string& split) {
    const std::string run = folder("run").string();
    EXPECT_EQ(run_tool({"eval", run, "--split", split, "--threads", "2", "--json", file}).status, 0);
    return nlohmann::json::parse(read_text_file(file))["accuracy"].get<double>();
  };
  const CheckpointInfo info = read_checkpoint_info(folder("run") / "best.safetensors");
  EXPECT_EQ(evaluated("holdout"), info.holdout_accuracy);
  EXPECT_EQ(evaluated("test"), info.test_accuracy);
}

TEST_F(ToolTrain, SaysHowLongItTookToReachTheAccuracy) {
  const std::string reached = train("run", 3, {"--until-accuracy", "0.001"}).output;
  EXPECT_THAT(reached, ContainsRegex("\nreached [0-9.]+% test accuracy after [1-3] epochs?, [0-9.ms]+ of training: "));
  const std::string again = train("run", 3, {"--until-accuracy", "0.001"}).output;
  EXPECT_THAT(again, HasSubstr("run has reached "));
  EXPECT_THAT(train("run", 3, {"--until-accuracy", "1"}).output, HasSubstr("finished 3 epochs in "));
}

TEST_F(ToolTrain, SaysHowOneThatPatienceHasEndedGoesOn) {
  const std::vector<std::string> patience{"--lr", "0", "--patience", "1"};
  EXPECT_THAT(train("run", 20, patience).output, HasSubstr("\nstopped after epoch "));
  EXPECT_THAT(train("run", 20, patience).output,
              HasSubstr("\nto train on, type the same command with a higher --patience, or 0\n"));
}

TEST_F(ToolTrain, RefusesAHoldoutThatLeavesNothingToTrainOnBeforeItMovesARun) {
  (void)train("run", 1);
  const ToolResult result = train("run", 1, {"--fresh", "--holdout", "256"});
  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.errors, HasSubstr("holdout of 256 of 256 images: none is left to train on"));
  EXPECT_FALSE(fs::exists(folder("run.1")));
}

TEST_F(ToolTrain, MovesNoRunForOneThatIsRefused) {
  (void)train("run", 1);
  const ToolResult result = train("run", 1, {"--fresh", "--optimizer", "sgd", "--nesterov", "--momentum", "0"});
  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.errors, HasSubstr("nesterov"));
  EXPECT_FALSE(fs::exists(folder("run.1")));
  EXPECT_TRUE(RunFolder{folder("run")}.holds_state());
}

TEST_F(ToolTrain, LeavesNothingOfARunThatIsRefused) {
  EXPECT_EQ(train("a/b/run", 1, {"--optimizer", "sgd", "--nesterov", "--momentum", "0"}).status, 2);
  EXPECT_FALSE(fs::exists(folder("a")));
}

TEST_F(ToolTrain, MovesNothingThatIsNoRunWithFresh) {
  fs::create_directories(folder("notes"));
  parent_.write("notes/photo.png", "somebody's");
  EXPECT_EQ(train("notes", 1, {"--fresh"}).status, 0);
  EXPECT_FALSE(fs::exists(folder("notes.1")));
  EXPECT_TRUE(fs::exists(folder("notes") / "photo.png"));
  EXPECT_TRUE(RunFolder{folder("notes")}.holds_state());
}

TEST_F(ToolTrain, TellsOfOneStepAndOfABatchThatIsTheWholeDataSet) {
  std::vector<std::string> words = small_training(folder("run"), 1);
  *std::next(std::ranges::find(words, "--batch-size")) = "300";
  const ToolResult result = run_tool(words);
  EXPECT_THAT(result.output, HasSubstr("1 epoch of 1 step, batch 256 (all images: fewer than batch-size 300);"));
  EXPECT_THAT(result.output, HasSubstr("finished 1 epoch in "));
}

TEST_F(ToolTrain, TellsHowTheLearningRateGoes) {
  const auto row = [&](const std::vector<std::string>& settings) {
    const std::string output = train("run", 1, settings + std::vector<std::string>{"--fresh"}).output;
    const std::size_t begin = output.find("learning rate ");
    return begin == std::string::npos ? output : output.substr(begin, output.find('\n', begin) - begin);
  };
  EXPECT_EQ(row({}), "learning rate 0 to 0.01 to 0.0005 to 0, piecewise linear");
  EXPECT_EQ(row({"--peak-at", "0"}),
            "learning rate 0.01 to 0.0005 to 0, piecewise linear, bent at 0 and 0.8 of the way");
  EXPECT_EQ(row({"--schedule", "linear", "--warmup-epochs", "0.5"}),
            "learning rate 0.01 to 0, linear after 0.5 epochs of warm-up");
  EXPECT_EQ(row({"--schedule", "linear", "--warmup-epochs", "1"}), "learning rate 0 to 0.01: 1 epoch of warm-up alone");
  EXPECT_EQ(row({"--schedule", "one-cycle", "--warmup-epochs", "1"}),
            "learning rate 0.0004 to 0.01 in 1 epoch, one cycle");
}

TEST_F(ToolTrain, TellsHowImagesAreAugmented) {
  const auto row = [&](const std::vector<std::string>& settings) {
    const std::string output = train("run", 1, settings + std::vector<std::string>{"--fresh"}).output;
    const std::size_t begin = output.find("augmentation  ");
    return begin == std::string::npos ? output : output.substr(begin, output.find('\n', begin) - begin);
  };
  EXPECT_EQ(row({"--pad-crop", "0", "--horizontal-flip", "no"}), "augmentation  none");
  EXPECT_EQ(row({"--pad-mode", "reflect", "--alternating-flip", "--randaugment", "2,12", "--cutout", "8"}),
            "augmentation  random crops out of a mirrored border of 4 pixels, alternating flips, RandAugment(2,12), "
            "cutout of 8 x 8 pixels");
  EXPECT_EQ(
      row({"--pad-crop", "0", "--horizontal-flip", "no", "--resized-crop", "0.75,1", "--auto-augment", "rand-m9-inc1",
           "--jitter", "0.1,0.2,0.3", "--random-erasing", "0.25", "--random-erasing-fill", "noise"}),
      "augmentation  resized crops of 75% to 100% of the area (bilinear, ratio 0.75 to 1.333), timm's "
      "rand-m9-inc1, brightness, contrast and saturation changed by up to 10%, 20% and 30%, 25% erased in part "
      "(2% to 33% of the area, noise)");
}

TEST_F(ToolTrain, WritesNeitherReturnsNorEscapesToAFile) {
  EXPECT_EQ(train("run").output.find_first_of("\r\x1b"), std::string::npos);
}

TEST_F(ToolTrain, PrintsNothingWhenQuiet) {
  const ToolResult result = train("run", 1, {"--quiet"});
  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(result.output, "");
  EXPECT_EQ(result.errors, "");
}

TEST_F(ToolTrain, RunsAgainFromTheConfigurationItWrote) {
  ASSERT_EQ(train("run").status, 0);
  ASSERT_EQ(run_tool({"train", "--config", folder("run") / "config.ini", "--out", folder("again")}).status, 0);
  expect_equal_runs(folder("again"), folder("run"));
}

TEST_F(ToolTrain, SaysThatARunIsFinished) {
  ASSERT_EQ(train("run").status, 0);
  const ToolResult result = train("run");
  EXPECT_EQ(result.status, 0);
  EXPECT_THAT(result.output, HasSubstr("is finished: 2 epochs; best test accuracy"));
  EXPECT_THAT(result.output, HasSubstr("choose another --out, or --fresh"));
}

TEST_F(ToolTrain, RefusesToGoOnWithOtherSettings) {
  ASSERT_EQ(train("run", 1).status, 0);
  const ToolResult result = train("run", 1, {"--lr", "0.5"});
  EXPECT_EQ(result.status, 2);
  for (const char* part : {"lr", "0.01", "0.5", "--out", "--fresh"}) EXPECT_THAT(result.errors, HasSubstr(part));
}

TEST_F(ToolTrain, KeepsItsPlanUnlessToldOtherwise) {
  const std::vector<std::string> constant{"--schedule", "constant"};
  const auto plan = [](const ToolResult& result) {
    const std::size_t begin = result.output.find("\n  plan ");
    if (begin == std::string::npos) return result.output + result.errors;
    return result.output.substr(result.output.find_first_not_of(' ', begin + 8), 5);
  };
  EXPECT_EQ(plan(train("run", 1, constant + std::vector<std::string>{"--plan", "plain"})), "plain");
  const ToolResult more = train("run", 2, constant);
  EXPECT_EQ(plan(more), "plain");
  EXPECT_THAT(more.output, Not(HasSubstr("note: ")));
  EXPECT_EQ(plan(run_tool({"train", "--resume", folder("run"), "--epochs", "3"})), "plain");
  const ToolResult told = train("run", 4, constant + std::vector<std::string>{"--plan", "fused"});
  EXPECT_EQ(plan(told), "fused");
  EXPECT_THAT(told.output, HasSubstr("note: so far this run was trained in a plain plan, now in a fused one: as good"));
  EXPECT_EQ(plan(train("run", 1, constant + std::vector<std::string>{"--fresh"})), "fused");
}

TEST_F(ToolTrain, KeepsThePrecisionThatWasChosenWhenItBegan) {
  ASSERT_EQ(train("run", 1).status, 0);
  std::vector<std::string> automatic = small_training(folder("run"), 1);
  *std::next(std::ranges::find(automatic, "--precision")) = "auto";
  EXPECT_THAT(run_tool(automatic).output, HasSubstr("is finished: 1 epoch;")) << "it goes on in f32";
  EXPECT_EQ(run_tool(automatic + std::vector<std::string>{"--fresh"}).status, 0);
  EXPECT_EQ(read_config(folder("run") / "config.ini").precision,
            Engine::has_instructions(Precision::bf16) ? "bf16" : "f32");
}

TEST_F(ToolTrain, GoesOnInBf16WhereOnlyFusedPlansHaveIt) {
  if (!Engine::supports(Precision::bf16)) GTEST_SKIP() << "nothing is computed in bf16 on this CPU";
  std::vector<std::string> words =
      small_training(folder("run"), 1) + std::vector<std::string>{"--schedule", "constant"};
  const auto precision = std::next(std::ranges::find(words, "--precision"));
  *precision = "bf16";
  ASSERT_EQ(run_tool(words).status, 0);
  *precision = "auto";
  const ToolResult result =
      run_tool(words + std::vector<std::string>{"--extend", "1"}, {{"ONEDNN_MAX_CPU_ISA", "AVX2"}});
  EXPECT_EQ(result.status, 0) << result.errors;
  EXPECT_THAT(result.output, HasSubstr("bf16, by the instructions for f32: not as fast as f32, in less memory\n"));
  EXPECT_EQ(read_config(folder("run") / "config.ini").precision, "bf16");
  EXPECT_EQ(read_checkpoint_info(folder("run") / "last.safetensors").epoch, 2);
}

TEST_F(ToolTrain, LooksAtEverythingInADryRunAndWritesNothing) {
  const std::vector<std::string> dry{"--dry-run", "--estimate-seconds", "0.05"};
  const ToolResult result = train("run", 2, dry);
  EXPECT_EQ(result.status, 0) << result.errors;
  for (const char* part : {" (new)\n", "2 epochs of 16 steps, batch 16", "memory        ", "\n  -> f32", "  2 epochs  ",
                           "256 training images and an evaluation of 100", "f32: as given", "loading ",
                           "a dry run: nothing was trained or written"})
    EXPECT_THAT(result.output, HasSubstr(part));
  EXPECT_THAT(train("run", 2, dry + std::vector<std::string>{"--eval-interval", "0"}).output,
              HasSubstr("an evaluation of 100, after the last epoch only\n"));
  EXPECT_THAT(train("run", 2, dry + std::vector<std::string>{"--eval-interval", "3"}).output,
              HasSubstr("an evaluation of 100, after every 3 epochs and after the last\n"));
  EXPECT_FALSE(fs::exists(folder("run")));
  EXPECT_EQ(train("run", 2, dry + std::vector<std::string>{"--mean", "1"}).status, 2);
  EXPECT_EQ(train("run", 2, dry + std::vector<std::string>{"--quiet"}).output, "");
}

TEST_F(ToolTrain, TellsInADryRunHowARunWouldGoOn) {
  const std::vector<std::string> dry{"--dry-run", "--estimate-seconds", "0.05"};
  const std::vector<std::string> constant{"--schedule", "constant"};
  ASSERT_EQ(train("run", 1, constant).status, 0);
  const auto before = names_and_times(folder("run"));
  const ToolResult result = train("run", 3, constant + dry);
  EXPECT_THAT(result.output, HasSubstr("goes on in epoch 2/3 after step 0/16"));
  EXPECT_THAT(result.output, HasSubstr("what is left of 3 epochs"));
  EXPECT_THAT(train("run", 1, constant + dry).output, HasSubstr("is finished: nothing is left to train"));
  EXPECT_THAT(train("run", 2, dry).errors, HasSubstr("can't go on with other settings"));
  const ToolResult fresh = train("run", 2, dry + std::vector<std::string>{"--fresh"});
  EXPECT_EQ(fresh.status, 0) << fresh.errors;
  EXPECT_THAT(fresh.output, HasSubstr(" (new)\n"));
  EXPECT_EQ(names_and_times(folder("run")), before);
}

TEST_F(ToolTrain, ExtendsAFinishedRun) {
  const std::vector<std::string> constant{"--schedule", "constant"};
  ASSERT_EQ(train("run", 1, constant).status, 0);
  const std::string run = folder("run").string();
  const ToolResult extended = run_tool({"train", "--resume", run, "--extend", "1"});
  EXPECT_EQ(extended.status, 0) << extended.errors;
  EXPECT_THAT(extended.output, HasSubstr("1 epoch of 16 steps, batch 16; constant learning rate 0.01, then 1 epoch"));
  EXPECT_THAT(extended.output, HasSubstr("\nepoch 2/2 "));
  EXPECT_THAT(extended.output, HasSubstr("finished 2 epochs in "));
  const ToolResult finished = train("run", 1, constant);
  EXPECT_THAT(finished.output, HasSubstr("is finished: 2 epochs;")) << "it stays extended";
  EXPECT_THAT(finished.output, HasSubstr("to train on, --extend EPOCHS"));
  ASSERT_EQ(train("run", 1, constant + std::vector<std::string>{"--extend", "1"}).status, 0);
  EXPECT_EQ(read_config(folder("run") / "config.ini").cooldown_epochs, 2);
}

TEST_F(ToolTrain, RefusesToExtendWhatCantBe) {
  ASSERT_EQ(train("run", 1).status, 0);
  const ToolResult result = train("run", 1, {"--extend", "2"});
  EXPECT_EQ(result.status, 2);
  for (const char* part : {"--extend: ", "learning rate down to 0", "--epochs 3", "--out", "cosine --min-lr"})
    EXPECT_THAT(result.errors, HasSubstr(part));
  const ToolResult other = train("run", 1, {"--extend", "2", "--schedule", "constant"});
  EXPECT_EQ(other.status, 2);
  EXPECT_THAT(other.errors, HasSubstr("this training can't go on with other settings: "));
  EXPECT_THAT(train("none", 1, {"--extend", "2"}).errors, HasSubstr("holds no run to extend"));
  EXPECT_EQ(train("run", 1, {"--extend", "2", "--fresh"}).status, 2);
}

TEST_F(ToolTrain, KeepsTheOldRunWhenItBeginsAnew) {
  ASSERT_EQ(train("run", 1).status, 0);
  const std::string before = read_text_file(folder("run") / "last.safetensors");
  const ToolResult result = train("run", 1, {"--lr", "0.5", "--fresh"});
  EXPECT_EQ(result.status, 0);
  EXPECT_THAT(result.output, HasSubstr((folder("run.1")).string()));
  EXPECT_TRUE(read_text_file(folder("run.1") / "last.safetensors") == before);
  EXPECT_FALSE(read_text_file(folder("run") / "last.safetensors") == before);
}

TEST_F(ToolTrain, ReportsALossThatIsNotFinite) {
  const ToolResult result = train("run", 2, {"--lr", "1e30", "--optimizer", "sgd", "--schedule", "constant"});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.errors, HasSubstr("at step "));
  EXPECT_THAT(result.errors, HasSubstr("learning rate 1e+30"));
}

TEST_F(ToolTrain, GoesOnWithoutAReaderOfItsOutput) {
  const std::string command = fmt::format("{} {} | head -n 1; test ${{PIPESTATUS[0]}} -eq 0", CONVMIXER_TOOL,
                                          fmt::join(small_training(folder("run"), 2), " "));
  EXPECT_EQ(std::system(fmt::format("bash -c '{}' > /dev/null", command).c_str()), 0);
  EXPECT_EQ(read_checkpoint_info(folder("run") / "last.safetensors").epoch, 2);
}

TEST_F(ToolTrain, ProfilesStepsOfARunThatGoesOn) {
  const fs::path trace = folder("run") / "trace.json";
  const std::vector<std::string> window{"--profile", trace, "--profile-skip", "3", "--profile-steps", "2"};
  const ToolResult first = train("run", 2, window);
  EXPECT_EQ(first.status, 0) << first.errors;
  EXPECT_THAT(first.output, HasSubstr("\nprofile of steps 4 to 5; "));
  EXPECT_THAT(first.output, HasSubstr("\n  depthwise stage forward "));
  EXPECT_EQ(nlohmann::json::parse(read_text_file(trace)).at("otherData").at("model"),
            "ConvMixer-16/2, kernel 3, patch 4");
  ASSERT_EQ(train("plain").status, 0);
  expect_equal_runs(folder("run"), folder("plain"));

  ToolProcess process(small_training(folder("stopped"), 20));
  ASSERT_TRUE(process.wait_for_output("epoch 1/"));
  process.send(SIGINT);
  ASSERT_EQ(process.wait().status, 130);
  const int done = std::stoi(SafetensorsFile(RunFolder{folder("stopped")}.state()).metadata().at("position.step"));
  const ToolResult resumed = run_tool(std::vector<std::string>{"train", "--resume", folder("stopped")} + window);
  EXPECT_EQ(resumed.status, 0) << resumed.errors;
  EXPECT_THAT(resumed.output, HasSubstr(fmt::format("\nprofile of steps {} to {}; ", done + 4, done + 5)));
}

class ToolStop : public ToolTrain, public testing::WithParamInterface<int> {};

TEST_P(ToolStop, FinishesTheStepAndGoesOnWithTheSameCommand) {
  constexpr int kEpochs = 20;
  ASSERT_EQ(train("whole", kEpochs).status, 0);
  ToolProcess process(small_training(folder("run"), kEpochs));
  ASSERT_TRUE(process.wait_for_output("epoch 2/"));
  process.send(GetParam());
  const ToolResult stopped = process.wait();
  EXPECT_EQ(stopped.status, 128 + GetParam());
  EXPECT_THAT(stopped.errors, HasSubstr("stopping after this step"));
  EXPECT_THAT(stopped.output, HasSubstr("stopped and saved in epoch "));
  EXPECT_THAT(stopped.output, HasSubstr("convmixer train --resume " + folder("run").string()));
  const ToolResult resumed = train("run", kEpochs);
  EXPECT_EQ(resumed.status, 0);
  EXPECT_THAT(resumed.output, HasSubstr("goes on in epoch "));
  expect_equal_runs(folder("run"), folder("whole"));
}

INSTANTIATE_TEST_SUITE_P(Signals, ToolStop, testing::Values(SIGINT, SIGTERM),
                         [](const auto& instance) { return instance.param == SIGINT ? "Interrupt" : "Terminate"; });

TEST_F(ToolTrain, SaysOfAStoppedRunWithoutEvaluationsThatNoneWasMade) {
  ToolProcess process(small_training(folder("run"), 20) + std::vector<std::string>{"--eval-interval", "0"});
  ASSERT_TRUE(process.wait_for_output("epoch 2/"));
  process.send(SIGINT);
  EXPECT_THAT(process.wait().output, HasSubstr("; no epoch is evaluated yet"));
}

TEST_F(ToolTrain, CountsNoTimeInWhichItIsStopped) {
  constexpr std::chrono::milliseconds kStop(1000);
  const auto start = std::chrono::steady_clock::now();
  ToolProcess process(small_training(folder("run"), 10));
  ASSERT_TRUE(process.wait_for_output("epoch 1/"));
  process.send(SIGSTOP);
  std::this_thread::sleep_for(kStop);
  process.send(SIGCONT);
  const ToolResult result = process.wait();
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
  ASSERT_EQ(result.status, 0) << result.errors;
  EXPECT_LT(RunHistory(folder("run")).seconds(), wall.count() - 0.9 * std::chrono::duration<double>(kStop).count());
}

TEST_F(ToolTrain, GoesOnByTheNameOfTheFolder) {
  ToolProcess process(small_training(folder("run"), 20));
  ASSERT_TRUE(process.wait_for_output("epoch 1/"));
  process.send(SIGINT);
  ASSERT_EQ(process.wait().status, 130);
  const ToolResult resumed = run_tool({"train", "--resume", folder("run"), "--quiet"});
  EXPECT_EQ(resumed.status, 0) << resumed.errors;
  EXPECT_EQ(read_checkpoint_info(folder("run") / "last.safetensors").epoch, 20);
}

TEST_F(ToolTrain, KeepsASecondProcessOut) {
  ToolProcess process(small_training(folder("run"), 1000));
  ASSERT_TRUE(process.wait_for_output("epoch 1/"));
  const ToolResult second = train("run", 1000);
  EXPECT_EQ(second.status, 1);
  EXPECT_THAT(second.errors, HasSubstr("another process is training into this folder"));
}

}  // namespace
}  // namespace convmixer
