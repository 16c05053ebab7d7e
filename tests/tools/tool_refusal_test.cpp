#include "support/temporary_folder.hpp"
#include "tools/tool_process.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace convmixer {
namespace {

using testing::HasSubstr;

/// Runs the tool, which must fail with this status and one line on stderr; returns the line.
std::string refusal(const std::vector<std::string>& words, int status,
                    const std::map<std::string, std::string>& environment = {}) {
  const ToolResult result = run_tool(words, environment);
  EXPECT_EQ(result.status, status);
  EXPECT_TRUE(result.errors.starts_with("convmixer: error: ")) << result.errors;
  EXPECT_EQ(std::count(result.errors.begin(), result.errors.end(), '\n'), 1) << result.errors;
  return result.errors;
}

TEST(ToolRefusals, NameTheNearestCommand) {
  EXPECT_EQ(refusal({"trian"}, 2), "convmixer: error: unknown command 'trian'; did you mean 'train'?\n");
  EXPECT_EQ(refusal({"classify"}, 2), "convmixer: error: unknown command 'classify'; 'convmixer help' lists them\n");
}

TEST(ToolRefusals, NameAWordTooManyForHelp) {
  EXPECT_EQ(refusal({"help", "train", "epochs"}, 2), "convmixer: error: unexpected 'epochs' after 'help train'\n");
}

TEST(ToolRefusals, NameAWordTooManyForVersion) {
  EXPECT_EQ(refusal({"version", "x"}, 2), "convmixer: error: unexpected 'x' after 'version'\n");
  EXPECT_EQ(refusal({"--version", "x"}, 2), "convmixer: error: unexpected 'x' after '--version'\n");
  EXPECT_EQ(refusal({"help", "help", "x"}, 2), "convmixer: error: unexpected 'x' after 'help help'\n");
}

TEST(ToolRefusals, TakeAValueThatBeginsWithDashesWhereItIsJoined) {
  EXPECT_THAT(refusal({"train", "--dataset", "cifar10", "--note=--fast"}, 2), HasSubstr("needs its files"));
  EXPECT_THAT(refusal({"train", "--dataset", "cifar10", "--note", "--fast"}, 2),
              HasSubstr("option '--note' needs a value"));
}

TEST(ToolRefusals, ChooseFromRunFoldersAlone) {
  const testing_support::TemporaryFolder folder;
  const auto file = folder.write("weights.safetensors", "none");
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"eval", file}, std::vector<std::string>{"predict", file, "a.png"}}) {
    EXPECT_EQ(refusal(command + std::vector<std::string>{"--checkpoint", "last"}, 2),
              "convmixer: error: --checkpoint last: chooses from a run folder, which " + file.string() + " is not\n");
  }
}

TEST(ToolRefusals, NameTheNearestOption) {
  EXPECT_EQ(refusal({"train", "--kernal-size", "5"}, 2),
            "convmixer: error: unknown option '--kernal-size'; did you mean 'kernel-size'?\n");
  EXPECT_EQ(refusal({"info", "--thread", "5"}, 2),
            "convmixer: error: unknown option '--thread'; did you mean 'threads'?\n");
  EXPECT_EQ(refusal({"eval", "x", "--chekpoint", "best"}, 2),
            "convmixer: error: unknown option '--chekpoint'; did you mean 'checkpoint'?\n");
}

TEST(ToolRefusals, NameFileAndLineOfAMisspeltKey) {
  const testing_support::TemporaryFolder folder;
  const auto file = folder.write("my.ini", "# mine\ndim = 16\nkernal-size = 5\n");
  EXPECT_EQ(refusal({"train", "--config", file}, 2),
            "convmixer: error: " + file.string() + ":3: unknown key 'kernal-size'; did you mean 'kernel-size'?\n");
}

TEST(ToolRefusals, SayWhatAValueShouldBe) {
  EXPECT_EQ(refusal({"train", "--dim", "0"}, 2), "convmixer: error: --dim 0: expected a whole number from 1 to 8192\n");
  EXPECT_EQ(refusal({"train", "--lr", "nan"}, 2), "convmixer: error: --lr nan: expected a number of at least 0\n");
}

TEST(ToolRefusals, SuggestTheOptionForABareConfiguration) {
  EXPECT_EQ(refusal({"train", "configs/labml.ini"}, 2),
            "convmixer: error: unexpected 'configs/labml.ini'; did you mean --config configs/labml.ini?\n");
}

TEST(ToolRefusals, NameAConfigurationThatIsNotThere) {
  EXPECT_THAT(refusal({"train", "--config", "/none/x.ini"}, 1), HasSubstr("/none/x.ini"));
}

TEST(ToolRefusals, AskForTheFolderOfCifar) {
  EXPECT_THAT(refusal({"train", "--dataset", "cifar10"}, 2), HasSubstr("--data"));
}

TEST(ToolRefusals, TakeNoDataForTheShapes) {
  const testing_support::TemporaryFolder folder;
  EXPECT_EQ(refusal({"train", "--dataset", "shapes", "--data", folder.path()}, 2),
            "convmixer: error: data set 'shapes' is drawn, not read: found --data " + folder.path().string() +
                "; dataset = auto takes what is there\n");
}

TEST(ToolRefusals, NamePathsThatAreEmpty) {
  for (const char* option : {"data", "resume", "config", "init", "out", "profile"}) {
    const std::string refused = fmt::format("convmixer: error: option '--{}' needs a value", option);
    // CIFAR-10 without --data trains on nothing, whatever else is taken.
    EXPECT_EQ(refusal({"train", "--dataset", "cifar10", fmt::format("--{}", option), ""}, 2),
              refused + ": found an empty one, expected a path\n");
    EXPECT_EQ(refusal({"train", "--dataset", "cifar10", fmt::format("--{}=", option)}, 2), refused + "\n");
  }
  EXPECT_THAT(refusal({"eval", "a", "--json", ""}, 2), HasSubstr("option '--json' needs a value"));
}

TEST(ToolRefusals, NameTheOneFolderOfBothSplits) {
  const testing_support::TemporaryFolder folder;
  folder.write("val/cat/a.png", "");
  for (const char* test : {"val", "./val"})
    EXPECT_EQ(refusal({"train", "--data", folder.path().string(), "--train-folder", "val", "--test-folder", test}, 2),
              "convmixer: error: --train-folder val: the training images' folder and the test images' are the same\n");
}

TEST(ToolRefusals, NameSettingsThatDoNothing) {
  const testing_support::TemporaryFolder folder;
  const std::string out = folder.path() / "run";
  EXPECT_EQ(refusal(small_training(out) + std::vector<std::string>{"--momentum", "0.8"}, 2),
            "convmixer: error: --momentum 0.8: has no effect without optimizer = sgd\n");
  // A file may say more than one run has use for, and what it says counts for the options.
  const auto file = folder.write("my.ini", "fit = stretch\noptimizer = sgd\npad-crop = 2\npad-mode = reflect\n");
  const std::vector<std::string> options{"--config", file, "--pad-crop", "0", "--momentum", "0.8"};
  EXPECT_EQ(run_tool(small_training(out, 1) + options).errors, "");
  EXPECT_EQ(run_tool({"train", "--config", out + "/config.ini", "--out", out + "-again"}).errors, "");
  EXPECT_EQ(refusal({"train", "--resume", out, "--fit", "stretch"}, 2),
            "convmixer: error: --fit stretch: has no effect without a folder of images\n");
}

TEST(ToolRefusals, NameTheFileThatADataFolderLacks) {
  const testing_support::TemporaryFolder folder;
  const std::string message = refusal({"train", "--dataset", "cifar10", "--data", folder.path()}, 1);
  EXPECT_THAT(message, HasSubstr(folder.path().string()));
  EXPECT_THAT(message, HasSubstr("data_batch_1.bin"));
}

TEST(ToolRefusals, NameADataFileOfTheWrongSize) {
  const testing_support::TemporaryFolder folder;
  for (const char* name : {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
                           "data_batch_5.bin", "test_batch.bin"}) {
    folder.write(name, std::string(3000, '\0'));
  }
  const std::string message = refusal({"train", "--dataset", "cifar10", "--data", folder.path()}, 1);
  EXPECT_THAT(message, HasSubstr("data_batch_1.bin"));
  EXPECT_THAT(message, HasSubstr("3000"));
}

TEST(ToolRefusals, SayThatTheCpuHasNoBf16) {
  const testing_support::TemporaryFolder folder;
  const std::vector<std::string> words{"train", "--precision", "bf16", "--out", folder.path() / "run"};
  for (const auto& [choice, reason] :
       {std::pair<std::vector<std::string>, const char*>{{"--plan", "plain"}, "but plan = plain; expected f32 or auto"},
        {{"--model", "vit"}, "but at node 'patch_embed.flatten' "}}) {
    const std::string message = refusal(words + choice, 2, {{"ONEDNN_MAX_CPU_ISA", "AVX2"}});
    EXPECT_THAT(message, HasSubstr("precision = bf16: this CPU ("));
    EXPECT_THAT(message, HasSubstr("fused plans alone are computed in it, " + std::string(reason)));
  }
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "run"));
}

TEST(ToolRefusals, NameAPlanThatTheNetworkCannotHaveAndWriteNothing) {
  const testing_support::TemporaryFolder folder;
  for (const char* const precision : {"f32", "auto"}) {
    const std::vector<std::string> resnet{"--model",     "resnet",  "--plan", "fused",
                                          "--precision", precision, "--out",  folder.path() / "run"};
    for (const auto& command : {std::vector<std::string>{"train"}, {"seeds", "--count", "2"}}) {
      EXPECT_THAT(refusal(command + resnet, 2), HasSubstr("plan = fused: at node 'conv1' fused stages need"));
    }
    EXPECT_THAT(refusal({"train", "--dropout", "0.1", "--plan", "onednn", "--precision", precision, "--out",
                         folder.path() / "run"},
                        2),
                HasSubstr("drop"));
  }
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "run"));
}

TEST(ToolRefusals, KeepFusedPlansApartFromLayouts) {
  const testing_support::TemporaryFolder folder;
  const std::vector<std::string> choice{"--plan", "fused", "--layout", "blocked"};
  for (const auto& words : {small_training(folder.path() / "run"), std::vector<std::string>{"info", "--dim", "16"}}) {
    EXPECT_THAT(refusal(words + choice, 2), HasSubstr("plan = fused: fused stages have a layout of their own"));
  }
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "run"));
}

TEST(ToolRefusals, KeepResumeApartFromOtherFolders) {
  EXPECT_EQ(refusal({"train", "--resume", "a", "--out", "b"}, 2),
            "convmixer: error: --resume and --out don't go together\n");
}

TEST(ToolRefusals, SayThatThereIsNoFolder) {
  const std::string no_run = "convmixer: error: /none: no such folder: expected that of a run\n";
  EXPECT_EQ(refusal({"train", "--resume", "/none"}, 1), no_run);
  EXPECT_EQ(refusal({"report", "/none"}, 1), no_run);
  EXPECT_EQ(refusal({"compare", "/none", "/none"}, 1), no_run);
  EXPECT_EQ(refusal({"runs", "/none"}, 1), "convmixer: error: /none: no such folder: expected a folder of runs\n");
  EXPECT_EQ(refusal({"watch", "/none"}, 1),
            "convmixer: error: /none: no such folder: expected one with runs below it\n");
}

TEST(ToolRefusals, SayThatAFolderIsNoRun) {
  const testing_support::TemporaryFolder folder;
  EXPECT_EQ(refusal({"train", "--resume", folder.path()}, 1),
            "convmixer: error: " + folder.path().string() + ": no run to go on with: it has no config.ini\n");
  EXPECT_EQ(refusal({"eval", folder.path()}, 1),
            "convmixer: error: " + folder.path().string() + ": no run folder: it has no config.ini\n");
  EXPECT_THAT(refusal({"eval"}, 2), HasSubstr("expected one run folder or weights file, found 0"));
  EXPECT_THAT(refusal({"eval", folder.path() / "none.safetensors"}, 1), HasSubstr("none.safetensors"));
}

TEST(ToolRefusals, NameARunFolderThatCannotBeMade) {
  const testing_support::TemporaryFolder folder;
  folder.write("file", "");
  EXPECT_THAT(refusal({"train", "--out", folder.path() / "file" / "run"}, 1),
              HasSubstr((folder.path() / "file" / "run").string()));
}

TEST(ToolRefusals, RefuseABatchWithoutAnything) {
  EXPECT_EQ(refusal({"train", "--batch-size", "0"}, 2),
            "convmixer: error: --batch-size 0: expected a whole number from 1 to 65536\n");
}

TEST(ToolRefusals, NameAProfileThatCannotBeWritten) {
  const testing_support::TemporaryFolder folder;
  const auto training = [&folder](const std::string& name) {
    return small_training(folder.path() / "run") + std::vector<std::string>{"--profile", folder.path() / name};
  };
  EXPECT_EQ(refusal(training("none/trace.json"), 1),
            "convmixer: error: " + (folder.path() / "none/trace.json").string() +
                ": can't be created: No such file or directory\n");
  EXPECT_THAT(refusal(training(""), 1), HasSubstr("expected a file or nothing, found a folder"));
  EXPECT_TRUE(folder.names().empty());
}

TEST(ToolRefusals, KeepTheProfiledStepsWithinTheTraining) {
  const testing_support::TemporaryFolder folder;
  const auto training = [&folder](const std::string& skip, const std::string& steps) {
    return small_training(folder.path() / "run", 1) +
           std::vector<std::string>{
               "--profile", folder.path() / "trace.json", "--profile-skip", skip, "--profile-steps", steps};
  };
  EXPECT_EQ(
      refusal(training("10", "7"), 2),
      "convmixer: error: --profile: 7 steps after 10 to warm up end beyond the training's end, 16 steps from here; "
      "expected a --profile-skip and --profile-steps of at most 16 together\n");
  EXPECT_TRUE(folder.names().empty());
  EXPECT_EQ(refusal(training("0", "0"), 2),
            "convmixer: error: --profile-steps 0: expected a whole number from 1 to 10000\n");
  EXPECT_EQ(refusal({"train", "--profile-steps", "5"}, 2), "convmixer: error: --profile-steps: needs --profile FILE\n");
  EXPECT_EQ(refusal({"train", "--estimate-seconds", "5"}, 2),
            "convmixer: error: --estimate-seconds: needs --dry-run\n");
}

}  // namespace
}  // namespace convmixer
