/// Tests that run hand-written kernels on every instruction set that they were compiled for and this CPU has, so that a
/// machine with AVX-512 tests what one with AVX2 runs.
#pragma once

#include "convmixer/core/cpu.hpp"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <algorithm>
#include <cstdint>
#include <string>

namespace convmixer::testing_support {

/// Its parameter is Highway's number of the instruction set that kernels run on.
class OnEveryInstructionSet : public testing::TestWithParam<std::int64_t> {
 protected:
  OnEveryInstructionSet() { hwy::SetSupportedTargetsForTest(GetParam()); }
  ~OnEveryInstructionSet() override { hwy::SetSupportedTargetsForTest(0); }

  /// Plans in bf16 are made for CPUs that have instructions for it alone (Engine::supports), so their stages take them
  /// for granted where there is AVX-512. Below AVX2, Highway's conversions to binary16 cut off instead of rounding.
  [[nodiscard]] static bool can_run_bf16_stages() {
#if HWY_ARCH_X86
    const auto& instructions = cpu_info().instructions;
    const bool has_bf16 = std::ranges::find(instructions, "avx512_bf16") != instructions.end();
    return GetParam() == HWY_AVX2 || (GetParam() < HWY_AVX2 && has_bf16);
#else
    return true;
#endif
  }
  static constexpr const char* kNoBf16Stages = "no plan in bf16 is made for CPUs with these instructions alone";
};

[[nodiscard]] inline auto every_instruction_set() { return testing::ValuesIn(hwy::SupportedAndGeneratedTargets()); }

[[nodiscard]] inline std::string name_of_instruction_set(const testing::TestParamInfo<std::int64_t>& info) {
  return hwy::TargetName(info.param);
}

}  // namespace convmixer::testing_support
