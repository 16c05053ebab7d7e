#include "convmixer/plan/build_info.hpp"
#include "convmixer/plan/engine.hpp"
#include "tools/tool_process.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace convmixer {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::string output_of(const std::vector<std::string>& words,
                      const std::map<std::string, std::string>& environment = {}) {
  const ToolResult result = run_tool(words, environment);
  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(result.errors, "");
  return result.output;
}

TEST(ToolInfo, DescribesTheMachine) {
  const std::string output = output_of({"info"});
  const OnednnInfo onednn = Engine::onednn_info();
  for (const std::string& part : {std::string("cpu"), std::string("threads"), onednn.version, onednn.runtime}) {
    EXPECT_THAT(output, HasSubstr(part));
  }
  EXPECT_THAT(output, Not(HasSubstr("parameters")));
}

TEST(ToolInfo, SaysWhyItUsesSoManyThreads) {
  EXPECT_THAT(output_of({"info", "--threads", "3"}), HasSubstr("threads     3 ("));
  EXPECT_THAT(output_of({"info"}, {{"OMP_NUM_THREADS", "1"}}), HasSubstr("OMP_NUM_THREADS"));
}

TEST(ToolInfo, CountsParametersAndFlops) {
  // 594,186 parameters: https://github.com/locuslab/convmixer-cifar10.
  const std::string output = output_of({"info", "--precision", "f32", "--batch-size", "2", "--eval-batch-size", "2"});
  EXPECT_THAT(output, HasSubstr("ConvMixer-256/8, kernel 5, patch 2"));
  EXPECT_THAT(output, HasSubstr("594,186 parameters"));
  EXPECT_THAT(output, HasSubstr("296.2 MFLOP forward"));
  EXPECT_THAT(output, HasSubstr("2 images a step, "));
}

TEST(ToolInfo, TellsHowABatchIsCutAndWhatNormsSeeOfIt) {
  const std::string output = output_of({"info", "--precision", "f32", "--dim", "16", "--depth", "1", "--batch-size",
                                        "8", "--micro-batch", "3", "--eval-batch-size", "2"});
  EXPECT_THAT(output, HasSubstr("8 images a step, "));
  EXPECT_THAT(output, HasSubstr("micro-batches  3 of 2 to 3 images a step; batch norms take each one's own mean and "));
}

TEST(ToolInfo, ReadsAConfiguration) {
  const std::string file = std::string(CONVMIXER_SOURCE_DIR) + "/configs/labml.ini";
  const std::string output =
      output_of({"info", "--config", file, "--batch-size", "2", "--eval-batch-size", "2", "--precision", "f32"});
  EXPECT_THAT(output, HasSubstr("ConvMixer-256/8, kernel 7, patch 2"));
  EXPECT_THAT(output, HasSubstr("643,338 parameters"));
}

TEST(ToolInfo, EstimatesHowLongATrainingTakes) {
  const std::vector<std::string> small{
      "info", "--estimate",         "--dim", "16", "--depth", "1", "--kernel-size", "3", "--patch-size",
      "4",    "--estimate-seconds", "0.05"};
  const std::string with_data = output_of(small + std::vector<std::string>{"--train-images", "500", "--epochs", "7"});
  const bool has_bf16 = Engine::has_instructions(Precision::bf16);
  for (const char* part :
       {"images/s", "  7 epochs  ", "planned memory", "500 training images and an evaluation of 2,000",
        has_bf16 ? "\n  -> bf16" : "\n  -> f32", "a thread alone could load and augment"})
    EXPECT_THAT(with_data, HasSubstr(part));
  const std::string held_out =
      output_of(small + std::vector<std::string>{"--train-images", "500", "--holdout", "100", "--eval-interval", "2",
                                                 "--precision", "f32"});
  EXPECT_THAT(held_out, HasSubstr("400 training images and an evaluation of 100 held-out ones, after every 2 epochs"));
  const std::string without =
      output_of(small + std::vector<std::string>{"--dataset", "cifar100", "--precision", "f32"});
  for (const char* part : {"50,000 training images and an evaluation of 10,000", "\n  -> f32", "f32: as given",
                           "not included: no data was given (--data PATH)"})
    EXPECT_THAT(without, HasSubstr(part));
}

TEST(ToolInfo, TellsTheEpochsOfEveryImageSizeAndEstimatesEach) {
  const std::string output = output_of({"info", "--dataset", "shapes", "--dim", "8", "--depth", "1", "--train-images",
                                        "20", "--test-images", "10", "--epochs", "10", "--image-sizes",
                                        "16:0.4,24:0.3,32:0.3", "--estimate", "--estimate-seconds", "0.01"});
  for (const char* part : {"16 px in epochs 1-4, 24 px in epochs 5-7, 32 px in epochs 8-10: ", "training at 32 px",
                           "1 epoch at 32 px", "at 24 px", "at 16 px", "; 80 images of this size are left"})
    EXPECT_THAT(output, HasSubstr(part));
}

TEST(ToolInfo, SaysInAnEstimateThatACpuHasNoBf16) {
  const std::string output =
      output_of({"info", "--estimate", "--dim", "16", "--depth", "1", "--estimate-seconds", "0.05"},
                {{"ONEDNN_MAX_CPU_ISA", "AVX2"}});
  EXPECT_THAT(output, HasSubstr("f32: this CPU has no instructions for bf16"));
  if (Engine::supports(Precision::bf16)) {
    EXPECT_THAT(output, HasSubstr("this CPU has no instructions for it; those for f32 compute it in fused plans"));
    EXPECT_THAT(output, HasSubstr("\n     bf16"));
  } else {
    EXPECT_THAT(output, Not(HasSubstr("\n     bf16")));
  }
}

TEST(ToolInfo, ListsThePrimitivesOfAStep) {
  std::vector<std::string> words{"info", "--primitives",      "--dim", "16",          "--depth", "1", "--batch-size",
                                 "2",    "--eval-batch-size", "2",     "--precision", "f32"};
  const std::string fused = output_of(words);
  for (const char* part : {"blocks.0.0.fn.0", "depthwise stage", "backward", "head"}) {
    EXPECT_THAT(fused, HasSubstr(part));
  }
  EXPECT_THAT(fused, HasSubstr("\n  plan        fused\n"));
  for (const auto& choice : {std::pair("--layout", "channels-last"), std::pair("--plan", "plain")}) {
    std::vector<std::string> chosen = words;
    chosen.insert(chosen.end(), {choice.first, choice.second});
    const std::string plain = output_of(chosen);
    for (const char* part : {"blocks.0.0.fn.0", "backward weights", "head", "\n  plan        plain", "hand-written"}) {
      EXPECT_THAT(plain, HasSubstr(part));
    }
  }
  words.insert(words.end(), {"--plan", "onednn"});
  EXPECT_THAT(output_of(words), AllOf(HasSubstr("\n  plan        onednn"), Not(HasSubstr("hand-written"))));
}

TEST(ToolHelp, ListsCommandsAndOptions) {
  EXPECT_THAT(output_of({"help"}), HasSubstr("train"));
  EXPECT_THAT(output_of({"--help"}), HasSubstr("eval"));
  for (const auto& words :
       std::vector<std::vector<std::string>>{{"help", "train"}, {"train", "--help"}, {"train", "-h"}}) {
    const std::string output = output_of(words);
    for (const char* part : {"--config", "--kernel-size N (=5)", "--max-time TIME (=0s)", "Ctrl-C"}) {
      EXPECT_THAT(output, HasSubstr(part));
    }
  }
  EXPECT_THAT(output_of({"help", "eval"}), HasSubstr("--checkpoint"));
  EXPECT_THAT(output_of({"help", "info"}), HasSubstr("--primitives"));
}

TEST(ToolVersion, TellsWhatItWasBuiltWithAndWhatItRunsWith) {
  const std::string output = output_of({"--version"});
  EXPECT_EQ(output.substr(0, output.find('\n')), "convmixer " CONVMIXER_VERSION);
  const OnednnInfo onednn = Engine::onednn_info();
  const BuildInfo build = build_info();
  for (const std::string& part : {onednn.version, onednn.runtime, onednn.instructions, build.compiler, build.tbb,
                                  build.highway, "here " + build.instruction_set_here, std::string("Apache-2.0")}) {
    EXPECT_THAT(output, HasSubstr(part));
  }
}

TEST(ToolHelp, IsShownWhenNoCommandIsGiven) {
  const ToolResult result = run_tool({});
  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.output, HasSubstr("usage: convmixer COMMAND"));
}

TEST(ToolOutput, MayEndOnAFullDisk) {
  const ToolResult result = run_tool({"info"}, {}, "/dev/full");
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.errors, HasSubstr("standard output can't be written"));
}

}  // namespace
}  // namespace convmixer
