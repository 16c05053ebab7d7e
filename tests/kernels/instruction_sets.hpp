/// Tests that run hand-written kernels on every instruction set that they were compiled for and this CPU has, so that a
/// machine with AVX-512 tests what one with AVX2 runs.
#pragma once

#include "kernels/fused/bf16_target.hpp"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <cstdint>
#include <string>

namespace convmixer::testing_support {

/// Its parameter is Highway's number of the instruction set that kernels run on.
class OnEveryInstructionSet : public testing::TestWithParam<std::int64_t> {
 protected:
  OnEveryInstructionSet() { hwy::SetSupportedTargetsForTest(GetParam()); }
  ~OnEveryInstructionSet() override { hwy::SetSupportedTargetsForTest(0); }

  [[nodiscard]] static bool can_run_bf16_stages() { return kernels::has_bf16_target(); }
  static constexpr const char* kNoBf16Stages = "no stage is computed in bf16 with these instructions alone";
};

[[nodiscard]] inline auto every_instruction_set() { return testing::ValuesIn(hwy::SupportedAndGeneratedTargets()); }

[[nodiscard]] inline std::string name_of_instruction_set(const testing::TestParamInfo<std::int64_t>& info) {
  return hwy::TargetName(info.param);
}

}  // namespace convmixer::testing_support
