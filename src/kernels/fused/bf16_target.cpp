#include "kernels/fused/bf16_target.hpp"

#include "convmixer/core/cpu.hpp"

#include <algorithm>
#include <cstdint>

namespace convmixer::kernels {
namespace {

bool has_bf16_instructions() {
  static const bool has = std::ranges::find(cpu_info().instructions, "avx512_bf16") != cpu_info().instructions.end();
  return has;
}

}  // namespace

std::int64_t bf16_target(std::int64_t targets, bool has_bf16_instructions) {
#if HWY_ARCH_X86
  // The better an instruction set, the lower its bit.
  constexpr std::int64_t kAvx512 = HWY_AVX3 | (HWY_AVX3 - 1);
  constexpr std::int64_t kAvx2 = HWY_AVX2 | (HWY_AVX2 - 1);
  targets &= has_bf16_instructions ? kAvx2 : kAvx2 & ~kAvx512;
#else
  static_cast<void>(has_bf16_instructions);
#endif
  return targets & -targets;
}

bool has_bf16_target() { return bf16_target(hwy::SupportedTargets() & HWY_TARGETS, has_bf16_instructions()) != 0; }

std::size_t bf16_target_index() {
  hwy::ChosenTarget& chosen = hwy::GetChosenTarget();
  if (!chosen.IsInitialized()) chosen.Update(hwy::SupportedTargets());
#if HWY_ARCH_X86
  static const std::size_t first = [] {
    hwy::ChosenTarget best;
    best.Update(has_bf16_instructions() ? HWY_TARGETS : HWY_AVX2);
    return best.GetIndex();
  }();
  return std::max(chosen.GetIndex(), first);  // the better an instruction set, the lower its index
#else
  return chosen.GetIndex();
#endif
}

}  // namespace convmixer::kernels
