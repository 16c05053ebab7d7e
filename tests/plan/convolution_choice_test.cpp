#include "plan/convolution_choice.hpp"

#include <gtest/gtest.h>

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
        "brgconv:avx512_core_bf16", "brgconv_1x1:avx512_core", "simple:any", "jit:uni", "own"}) {
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

}  // namespace
}  // namespace convmixer
