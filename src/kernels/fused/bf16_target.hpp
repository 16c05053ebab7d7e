/// Which instruction set the bf16 kernels of fused stages run on. Those compiled for AVX-512 take its bf16 instructions
/// (vdpbf16ps) for granted; a CPU that has AVX-512 without them (Skylake to Ice Lake) runs those compiled for AVX2,
/// which multiply the two bf16 of a word as f32, in the order in which vdpbf16ps does.
#pragma once

#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>

namespace convmixer::kernels {

/// Whether stages can be computed in bf16 here. On x86 from AVX2 on: below it, Highway's conversions to binary16 cut
/// off instead of rounding.
[[nodiscard]] bool has_bf16_target();

/// Of those instruction sets (Highway's bits), the one that the bf16 kernels run on; 0: none.
[[nodiscard]] std::int64_t bf16_target(std::int64_t targets, bool has_bf16_instructions);

/// Its place in the tables that HWY_EXPORT makes.
[[nodiscard]] std::size_t bf16_target_index();

}  // namespace convmixer::kernels

/// HWY_DYNAMIC_DISPATCH() for a kernel in bf16.
#if HWY_IDE || ((HWY_TARGETS & (HWY_TARGETS - 1)) == 0)
#define CONVMIXER_DISPATCH_BF16(function) HWY_DYNAMIC_DISPATCH(function)
#else
#define CONVMIXER_DISPATCH_BF16(function) (*(HWY_DISPATCH_TABLE(function)[convmixer::kernels::bf16_target_index()]))
#endif
