#include "convmixer/core/file.hpp"
#include "convmixer/plan/engine.hpp"
#include "step_measurement.hpp"
#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"
#include "support/test_engine.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <sys/wait.h>

namespace convmixer::perf {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsSupersetOf;
using testing::StartsWith;

/// step_bench on a tiny model, in a folder of its own.
class StepBench : public testing::Test {
 protected:
  int run(const std::string& more) const {
    // Threads of OpenMP that wait by spinning make a run ten times slower where other tests want the cores.
    const std::string command = fmt::format(
        "OMP_WAIT_POLICY=passive '{}' --dim 16 --depth 2 --kernel-size 3 --patch-size 4 --image-size 16 --batch-size 4 "
        "--threads 1 --steps 5 --warmup 1 --peak-seconds 0.05 {} >'{}' 2>'{}'",
        CONVMIXER_STEP_BENCH, more, output().string(), errors().string());
    const int status = std::system(command.c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  [[nodiscard]] json measured(const std::string& more) const {
    const std::filesystem::path file = folder_.path() / "result.json";
    EXPECT_EQ(run(fmt::format("{} --json '{}'", more, file.string())), 0) << read_text_file(errors());
    return json::parse(read_text_file(file));
  }

  [[nodiscard]] std::filesystem::path output() const { return folder_.path() / "output"; }
  [[nodiscard]] std::filesystem::path errors() const { return folder_.path() / "errors"; }

 private:
  testing_support::TemporaryFolder folder_;
};

double sum_of_split(const json& result) {
  double sum = 0.0;
  for (const json& row : result.at("split")) sum += row.at("ms").get<double>();
  return sum;
}

std::set<std::string> operations(const json& result) {
  std::set<std::string> names;
  for (const json& row : result.at("split")) names.insert(row.at("operation").get<std::string>());
  return names;
}

/// Of the plan's steps, that is: loss and optimiser always are.
bool has_hand_written(const json& result) {
  return std::ranges::any_of(result.at("split"), [](const json& row) {
    const bool is_step = row.at("calls") > 0 && row.at("operation") != "loss" && row.at("operation") != "optimiser";
    return is_step &&
           std::ranges::any_of(row.at("implementations"), [](const json& name) { return name == "hand-written"; });
  });
}

TEST_F(StepBench, WritesWhatItMeasuredAsJson) {
  const json result = measured("--precision f32");
  for (const char* key : {"program", "commit", "cpu", "threads_reason", "mode", "precision", "plan", "layout",
                          "matrix_peak_implementation", "fma_peak_implementation"}) {
    EXPECT_TRUE(result.at(key).is_string()) << key;
    EXPECT_NE(result.at(key), "") << key;
  }
  for (const char* key :
       {"parameters", "images_per_s", "step_ms_median", "matrix_gflop", "depthwise_gflop", "matrix_peak_gflops",
        "fma_peak_gflops", "limit_images_per_s", "fraction_of_limit", "peak_rss_mib", "planned_mib"}) {
    EXPECT_GT(result.at(key).get<double>(), 0.0) << key;
  }
  EXPECT_EQ(result.at("onednn").at("version"), Engine::onednn_info().version);
  EXPECT_EQ(result.at("model").at("kernel_size"), 3);
  EXPECT_EQ(result.at("batch_size"), 4);
  EXPECT_EQ(result.at("threads"), 1);
  EXPECT_EQ(result.at("ranks"), 1);
  for (const char* key : {"exchange_ms", "exchange_messages", "exchange_bytes"}) EXPECT_EQ(result.at(key), 0.0) << key;
  EXPECT_EQ(result.at("threads_pinned"), false);
  EXPECT_EQ(result.at("step_ms").size(), 5U);
  const std::string explained = read_text_file(CONVMIXER_PERF_README);
  for (const auto& entry : result.items()) EXPECT_THAT(explained, HasSubstr("`" + entry.key() + "`"));
}

TEST_F(StepBench, PinsThreadsOnRequest) {
  EXPECT_EQ(measured("--pin-threads yes").at("threads_pinned"), true);
  EXPECT_THAT(read_text_file(output()), HasSubstr(" 1 thread, pinned\n"));
}

TEST_F(StepBench, ItsFiguresFollowFromOneAnother) {
  const json result = measured("--precision f32");
  const double seconds = result.at("step_ms_median").get<double>() * 1e-3;
  EXPECT_NEAR(result.at("images_per_s").get<double>(), 4 / seconds, 1e-6 / seconds);
  EXPECT_NEAR(result.at("fraction_of_limit").get<double>(),
              result.at("images_per_s").get<double>() / result.at("limit_images_per_s").get<double>(), 1e-9);
  // 2 blocks of 16 channels on 4 x 4 patches of a 16 x 16 image: three 3x3 depthwise passes for 4 images.
  EXPECT_NEAR(result.at("depthwise_gflop").get<double>(), 4 * 3 * 2e-9 * 2 * 16 * 16 * 9, 1e-15);
}

TEST_F(StepBench, SplitsATrainingStepIntoItsOperations) {
  EXPECT_THAT(operations(measured("--precision f32")),
              IsSupersetOf({"pointwise stage", "depthwise stage", "stem stage", "head", "loss", "optimiser", "rest"}));
  EXPECT_EQ(measured("--precision f32").at("plan"), "fused");
  EXPECT_EQ(measured("--precision f32 --layout channels-last").at("plan"), "plain");
  const json result = measured("--precision f32 --plan plain");
  EXPECT_EQ(result.at("plan"), "plain");
  EXPECT_THAT(operations(result), IsSupersetOf({"pointwise convolution", "depthwise convolution", "GELU", "batch norm",
                                                "loss", "optimiser", "rest"}));
  const std::vector<double> steps = result.at("step_ms");
  EXPECT_GE(sum_of_split(result), *std::ranges::min_element(steps) * 0.999);
  EXPECT_LE(sum_of_split(result), *std::ranges::max_element(steps) * 1.001);
  EXPECT_TRUE(has_hand_written(result));
  const json onednn = measured("--precision f32 --plan onednn");
  EXPECT_EQ(onednn.at("plan"), "onednn");
  EXPECT_THAT(operations(onednn), IsSupersetOf({"depthwise convolution", "GELU", "batch norm", "running statistics"}));
  EXPECT_FALSE(has_hand_written(onednn));
}

TEST_F(StepBench, MeasuresStepsOfEqualMicroBatches) {
  const json result = measured("--precision f32 --micro-batch 2");
  EXPECT_EQ(result.at("batch_size"), 4);
  EXPECT_EQ(result.at("micro_batch"), 2);
  EXPECT_THAT(read_text_file(output()), HasSubstr(" batch 4 in 2 micro-batches of 2, f32"));
  ASSERT_EQ(run("--precision f32 --micro-batch 3"), 0);
  EXPECT_THAT(read_text_file(output()), HasSubstr(" batch 4 in 2 micro-batches of 2, f32"));

  StepOptions options;
  options.config.model = ConvMixerConfig{.dim = 16, .depth = 1, .kernel_size = 3, .patch_size = 4};
  options.config.image_size = 16;
  options.config.batch_size = 5;
  options.config.micro_batch = 3;
  EXPECT_STREQ(testing_support::error_of([&] { (void)measure_steps(options, testing_support::test_engine()); }).what(),
               "micro-batch: 5 images make 2 micro-batches of 2 to 3; expected equal ones");
}

TEST_F(StepBench, MeasuresInference) {
  const json result = measured("--precision f32 --inference");
  EXPECT_EQ(result.at("mode"), "inference");
  EXPECT_FALSE(operations(result).contains("optimiser"));
  EXPECT_NEAR(result.at("depthwise_gflop").get<double>(), 4 * 2e-9 * 2 * 16 * 16 * 9, 1e-15);
}

TEST_F(StepBench, PrintsRateLimitAndSplit) {
  ASSERT_EQ(run("--precision f32"), 0);
  const std::string text = read_text_file(output());
  EXPECT_THAT(
      text, StartsWith("training step of ConvMixer-16/2, kernel 3, patch 4, images 16 x 16, batch 4, f32, fused plan"));
  for (const char* part : {"images/s", "of the limit", "MiB at most", "pointwise stage", "sum"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
}

TEST_F(StepBench, RefusesOptionsThatAreNotThere) {
  EXPECT_EQ(run("--step 3"), 2);
  EXPECT_EQ(read_text_file(errors()), "step_bench: error: unknown option '--step'; did you mean 'steps'?\n");
  EXPECT_EQ(run("--epochs 3"), 2);
}

TEST_F(StepBench, RefusesAFileThatItCanNotWriteBeforeItMeasures) {
  const std::filesystem::path folder = output().parent_path();
  EXPECT_EQ(run(fmt::format("--precision f32 --json '{}'", (folder / "none" / "x.json").string())), 1);
  EXPECT_EQ(read_text_file(output()), "");
  EXPECT_THAT(read_text_file(errors()), AllOf(StartsWith("step_bench: error: "), HasSubstr("none")));
  const std::filesystem::path config = folder / "config.ini";
  write_file_atomically(config, "depth = 2\n");
  EXPECT_EQ(run(fmt::format("--precision f32 --config '{0}' --json '{0}'", config.string())), 2);
  EXPECT_EQ(read_text_file(output()), "");
  EXPECT_THAT(read_text_file(errors()), HasSubstr("config.ini: that is what is read: give another file"));
  EXPECT_EQ(read_text_file(config), "depth = 2\n");
}

TEST_F(StepBench, SaysThatItsOutputIsLost) {
  const int status =
      std::system(fmt::format("'{}' --help >/dev/full 2>'{}'", CONVMIXER_STEP_BENCH, errors().string()).c_str());
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 1);
  EXPECT_EQ(read_text_file(errors()),
            "step_bench: error: standard output can't be written: No space left on device; all else is done\n");
}

}  // namespace
}  // namespace convmixer::perf
