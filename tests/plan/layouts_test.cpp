// What oneDNN runs for the networks that configs/ describes: nothing that falls back to generic code.
#include "convmixer/model/convmixer.hpp"
#include "plan/convolution_choice.hpp"
#include "support/test_engine.hpp"

#include <gtest/gtest.h>

#include <string>
#include <tuple>
#include <vector>

namespace convmixer {
namespace {

using testing_support::test_engine;

struct Configuration {
  std::string name;
  ConvMixerConfig model;
};

std::vector<Configuration> shipped_configurations() {
  ConvMixerConfig cifar10;  // its defaults
  ConvMixerConfig labml;
  labml.kernel_size = 7;
  ConvMixerConfig quickstart;
  quickstart.dim = 64;
  quickstart.depth = 4;
  return {{"cifar10_256x8", cifar10}, {"labml", labml}, {"quickstart", quickstart}};
}

class Layouts : public testing::TestWithParam<std::tuple<Configuration, Precision>> {};

TEST_P(Layouts, LeaveNoTrainingStepToGenericCode) {
  const auto& [configuration, precision] = GetParam();
  if (!Engine::supports(precision)) GTEST_SKIP() << "this CPU has no bf16 instructions";
  const std::string instructions = Engine::onednn_info().instructions;
  if (instructions == "none" || instructions == "sse41" || instructions == "avx") {
    GTEST_SKIP() << "oneDNN has nothing but generic code for some convolutions without AVX2";
  }
  const Graph graph = make_convmixer(configuration.model);
  Parameters parameters(graph);
  const Plan plan(graph, parameters, test_engine(), {.batch_size = 8, .precision = precision});
  ASSERT_FALSE(plan.steps().empty());
  for (const PlannedStep& step : plan.steps()) {
    const ImplementationClass found = classify_implementation(step.implementation);
    const std::string where =
        step.node + ", " + step.operation + " " + step.direction + ", " + step.layout + ": " + step.implementation;
    EXPECT_NE(found, ImplementationClass::reference) << where;
    // A linear layer is a matrix product; a convolution made into one is slow.
    const bool convolution = step.operation.ends_with("convolution");
    EXPECT_FALSE(convolution && found == ImplementationClass::gemm) << where;
  }
}

INSTANTIATE_TEST_SUITE_P(All, Layouts,
                         testing::Combine(testing::ValuesIn(shipped_configurations()),
                                          testing::Values(Precision::f32, Precision::bf16)),
                         [](const auto& one) {
                           return std::get<0>(one.param).name + "_" + std::string(to_string(std::get<1>(one.param)));
                         });

}  // namespace
}  // namespace convmixer
