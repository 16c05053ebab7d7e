#include "kernels/fused/bf16_target.hpp"

#include "convmixer/core/cpu.hpp"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <algorithm>
#include <cstdint>

namespace convmixer::kernels {
namespace {

#if HWY_ARCH_X86
constexpr std::int64_t kSkylake = HWY_AVX3 | HWY_AVX2 | HWY_SSE4;
constexpr std::int64_t kIceLake = HWY_AVX3_DL | kSkylake;
constexpr std::int64_t kHaswell = HWY_AVX2 | HWY_SSE4;

TEST(Bf16Target, IsTheBestWithInstructionsForIt) {
  EXPECT_EQ(bf16_target(kIceLake, true), HWY_AVX3_DL);
  EXPECT_EQ(bf16_target(kSkylake, true), HWY_AVX3);
}

TEST(Bf16Target, IsAvx2WithoutThem) {
  EXPECT_EQ(bf16_target(kIceLake, false), HWY_AVX2);
  EXPECT_EQ(bf16_target(kSkylake, false), HWY_AVX2);
  EXPECT_EQ(bf16_target(kHaswell, false), HWY_AVX2);
}

TEST(Bf16Target, IsNoneBelowAvx2) {
  EXPECT_EQ(bf16_target(HWY_SSE4, false), 0);
  EXPECT_EQ(bf16_target(HWY_SSE4, true), 0);
}

/// Of all that kernels are compiled for, whether this CPU has them or not, with the best taken away one after the
/// other: nothing is run.
TEST(Bf16Target, IsTheOneThatKernelsRunOn) {
  const auto& instructions = cpu_info().instructions;
  const bool has_instructions = std::ranges::find(instructions, "avx512_bf16") != instructions.end();
  for (std::int64_t targets = HWY_TARGETS; targets != 0; targets &= targets - 1) {
    hwy::SetSupportedTargetsForTest(targets);
    const std::int64_t target = bf16_target(targets, has_instructions);
    EXPECT_EQ(has_bf16_target(), target != 0) << targets;
    if (target == 0) continue;
    hwy::ChosenTarget expected;
    expected.Update(target);
    EXPECT_EQ(bf16_target_index(), expected.GetIndex()) << targets;
  }
  hwy::SetSupportedTargetsForTest(0);
}
#endif

}  // namespace
}  // namespace convmixer::kernels
