#include "plan/plain/convolution_choice.hpp"

#include "convmixer/plan/plan.hpp"
#include "support/test_engine.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <utility>

namespace convmixer {
namespace {

TEST(ConvolutionChoice, KnowsPlainLoopsByName) {
  for (const char* name : {"ref:any", "ref", "x64:ref:any", "ref_int8:any"}) {
    EXPECT_EQ(classify_implementation(name), ImplementationClass::reference) << name;
  }
}

TEST(ConvolutionChoice, KnowsImageToColumnsByName) {
  for (const char* name : {"gemm:jit", "gemm:blas", "x64:gemm:jit"}) {
    EXPECT_EQ(classify_implementation(name), ImplementationClass::gemm) << name;
  }
}

TEST(ConvolutionChoice, TakesOtherNamesForVectorCode) {
  // brgemm is oneDNN's batch-reduce kernel, not an image turned into columns.
  for (const char* name :
       {"jit:avx512_core", "jit:avx2", "jit_dw:avx512_core", "jit_1x1:avx512_core_bf16", "brgemm:avx512_core",
        "brgconv:avx512_core_bf16", "brgconv_1x1:avx512_core", "simple:any", "jit:uni", "hand-written"}) {
    EXPECT_EQ(classify_implementation(name), ImplementationClass::vector) << name;
  }
}

TEST(ConvolutionChoice, KnowsTheMatrixUnitByName) {
  for (const char* name : {"brgconv_1x1:avx512_core_amx_bf16", "brgconv:avx512_core_amx_bf16",
                           "jit_bf16:avx512_core_amx_bf16", "brgemm:avx512_core_amx"}) {
    EXPECT_EQ(classify_implementation(name), ImplementationClass::matrix_unit) << name;
  }
}

TEST(ConvolutionChoice, OrdersClassesFromWorstToBest) {
  EXPECT_LT(ImplementationClass::reference, ImplementationClass::gemm);
  EXPECT_LT(ImplementationClass::gemm, ImplementationClass::vector);
  EXPECT_LT(ImplementationClass::vector, ImplementationClass::matrix_unit);
}

/// What the convolutions of a training plan are run by and in which order: "nhwc" and "jit:avx512_core".
std::set<std::pair<std::string, std::string>> convolutions(LayoutPolicy policy, Precision precision) {
  Graph graph(32, 8, 8);
  TensorId x = graph.convolution_same("depthwise", graph.input(), 32, 5, 32);
  x = graph.convolution_same("pointwise", x, 32, 1, 1);
  graph.convolution_same("dense", x, 32, 3, 1);
  Parameters parameters(graph);
  const Plan plan(
      graph, parameters, testing_support::test_engine(),
      {.batch_size = 2, .precision = precision, .layout = policy, .kind = PlanKind::plain, .input_gradient = true});
  std::set<std::pair<std::string, std::string>> all;
  for (const PlannedStep& step : plan.steps()) {
    if (step.operation.ends_with("convolution")) all.emplace(step.layout, step.implementation);
  }
  return all;
}

TEST(ConvolutionChoice, TakesTheLayoutThatIsForcedAndCodeThatIsMadeForIt) {
  const std::string instructions = Engine::onednn_info().instructions;
  const bool avx512 = instructions.starts_with("avx512");
  if (!avx512 && !instructions.starts_with("avx2")) GTEST_SKIP() << "no AVX2 here";
  for (const Precision precision : {Precision::f32, Precision::bf16}) {
    if (!Engine::has_instructions(precision)) continue;
    for (const LayoutPolicy policy : {LayoutPolicy::channels_last, LayoutPolicy::blocked}) {
      const std::string forced = policy == LayoutPolicy::channels_last ? "nhwc" : avx512 ? "nChw16c" : "nChw8c";
      const auto found = convolutions(policy, precision);
      ASSERT_FALSE(found.empty()) << forced;
      for (const auto& [layout, implementation] : found) {
        EXPECT_EQ(layout, forced) << implementation;
        EXPECT_GE(classify_implementation(implementation), ImplementationClass::vector) << forced << implementation;
      }
    }
  }
}

}  // namespace
}  // namespace convmixer
