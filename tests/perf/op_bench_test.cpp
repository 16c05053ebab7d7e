#include "convmixer/core/file.hpp"
#include "convmixer/plan/engine.hpp"
#include "support/svg_file.hpp"
#include "support/temporary_folder.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstdlib>
#include <sys/wait.h>

namespace convmixer::perf {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;
using testing_support::SvgFile;

/// op_bench on a tiny network, in a folder of its own.
class OpBench : public testing::Test {
 protected:
  static constexpr const char* kTiny =
      "--dim 16 --depth 2 --kernel-size 3 --patch-size 4 --image-size 16 --batch-size 4 ";

  int run(const std::string& options) const {
    const std::string command = fmt::format(
        "OMP_WAIT_POLICY=passive '{}' --threads 1 --peak-seconds 0 --benchmark_min_time=0.001 {} >'{}' 2>'{}'",
        CONVMIXER_OP_BENCH, options, path("output").string(), path("errors").string());
    const int status = std::system(command.c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  [[nodiscard]] std::filesystem::path path(const char* name) const { return folder_.path() / name; }
  [[nodiscard]] std::string output() const { return read_text_file(path("output")); }
  [[nodiscard]] std::string errors() const { return read_text_file(path("errors")); }

 private:
  testing_support::TemporaryFolder folder_;
};

TEST_F(OpBench, PrintsALineForEachOperationAndWritesItAsJson) {
  ASSERT_EQ(run(kTiny + fmt::format("--precision f32 --benchmark_out='{}'", path("out.json").string())), 0) << errors();
  const json result = json::parse(read_text_file(path("out.json")));
  EXPECT_EQ(result.at("context").at("program"), "op_bench");
  EXPECT_GT(std::stod(result.at("context").at("memory_peak_gb_per_s").get<std::string>()), 0.0);
  EXPECT_GT(std::stod(result.at("context").at("fma_peak_gflops").get<std::string>()), 0.0);
  EXPECT_EQ(result.at("benchmarks").size(), 42U);
  const std::string text = output();
  for (const json& benchmark : result.at("benchmarks")) {
    const std::string name = benchmark.at("name");
    EXPECT_FALSE(benchmark.contains("error_occurred")) << name;
    EXPECT_THAT(text, HasSubstr("\n" + name.substr(0, name.find("/real_time")) + " "));
    const double seconds = benchmark.at("real_time").get<double>() * 1e-3;
    const double rate = benchmark.at("gb_per_s");
    EXPECT_NEAR(rate * seconds, benchmark.at("gb").get<double>(), 1e-6 * rate * seconds) << name;
    EXPECT_GT(benchmark.at("images_per_s").get<double>(), 0.0) << name;
    EXPECT_GT(benchmark.at("fraction_of_limit").get<double>(), 0.0) << name;
  }
}

TEST_F(OpBench, MeasuresWhatTheFilterNames) {
  ASSERT_EQ(run(std::string(kTiny) + "--precision f32 --benchmark_filter='batch-norm/backward'"), 0) << errors();
  EXPECT_THAT(output(), HasSubstr("16x2/f32/batch-norm/backward/hand-written"));
  EXPECT_THAT(output(), HasSubstr("16x2/f32/batch-norm/backward/oneDNN"));
  EXPECT_THAT(output(), Not(HasSubstr("GELU")));
}

TEST_F(OpBench, ListsTheThreeNetworksWithoutMeasuring) {
  ASSERT_EQ(run("--benchmark_list_tests"), 0) << errors();
  for (const char* name :
       {"256x8/f32/GELU/forward/oneDNN", "512x12/f32/depthwise-convolution/backward-weights/hand-written",
        "768x32/f32/pointwise-convolution/backward-data/oneDNN"}) {
    EXPECT_THAT(output(), HasSubstr(name));
  }
  EXPECT_EQ(output().find("/bf16/") != std::string::npos, Engine::has_instructions(Precision::bf16));
  ASSERT_EQ(run("--network 512x12 --benchmark_list_tests"), 0) << errors();
  EXPECT_THAT(output(), Not(HasSubstr("256x8/")));
}

TEST_F(OpBench, DrawsARooflineWithAPointForEachOperation) {
  ASSERT_EQ(run(kTiny + fmt::format("--precision f32 --roofline '{}'", path("roofline.svg").string())), 0) << errors();
  const SvgFile svg(read_text_file(path("roofline.svg")));
  EXPECT_EQ(svg.count("g", "point"), 42U);
  EXPECT_EQ(svg.texts("label").size(), 42U);
  EXPECT_THAT(svg.texts("title"),
              testing::ElementsAre("ConvMixer-16/2 in f32: kernel 3, patch 4, images 16 x 16, batch 4"));
}

TEST_F(OpBench, KeepsTheMedianOfRepetitions) {
  ASSERT_EQ(run(std::string(kTiny) + "--precision f32 --benchmark_repetitions=3 --benchmark_filter=GELU/forward"), 0);
  EXPECT_THAT(output(), HasSubstr("\n  median "));
}

TEST_F(OpBench, RefusesWhatItDoesNotKnow) {
  EXPECT_EQ(run("--netwrok 256x8"), 2);
  EXPECT_EQ(errors(), "op_bench: error: unknown option '--netwrok'; did you mean 'network'?\n");
  EXPECT_EQ(run("--network 256x8 --dim 3"), 2);
  EXPECT_EQ(errors(), "op_bench: error: --network: expected either this or options of another network, found both\n");
  EXPECT_EQ(run("--benchmark_format=json"), 2);
  EXPECT_EQ(run(std::string(kTiny) + "--benchmark_filter=nothing"), 2);
  EXPECT_THAT(errors(), HasSubstr("no operation matches --benchmark_filter"));
  EXPECT_EQ(run("--dim 3 --patch-size 64"), 2);
}

TEST_F(OpBench, RefusesARooflineThatItCanNotWriteBeforeItMeasures) {
  EXPECT_EQ(run(kTiny + fmt::format("--roofline '{}'", path("none/roofline.svg").string())), 1);
  EXPECT_EQ(output(), "");
  EXPECT_THAT(errors(), HasSubstr("none"));
  write_file_atomically(path("config.ini"), "depth = 1\n");
  EXPECT_EQ(run(fmt::format("--config '{0}' --roofline '{0}'", path("config.ini").string())), 2);
  EXPECT_THAT(errors(), HasSubstr("config.ini: that is what is read: give another file"));
  EXPECT_EQ(read_text_file(path("config.ini")), "depth = 1\n");
}

}  // namespace
}  // namespace convmixer::perf
