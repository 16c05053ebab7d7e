#include "kernels/fused/norm_stage.hpp"

// Compiled once for each instruction set: see batch_norm.cpp. The order of these lines matters.
// clang-format off
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/fused/norm_stage.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include "kernels/fused/norm_stage-inl.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace convmixer::kernels::HWY_NAMESPACE {

void gelu_forward_f32(const GeluForward<F32Storage>& arguments) { gelu_forward_any(arguments); }
void gelu_forward_bf16(const GeluForward<Bf16Storage>& arguments) { gelu_forward_any(arguments); }
void gelu_forward_stem(const GeluForward<Bf16StemStorage>& arguments) { gelu_forward_any(arguments); }
void norm_forward_f32(const NormForward<F32Storage>& arguments) { norm_forward_any(arguments); }
void norm_forward_bf16(const NormForward<Bf16Storage>& arguments) { norm_forward_any(arguments); }
void residual_sum_f32(const ResidualSum<F32Storage>& arguments) { residual_sum_any(arguments); }
void residual_sum_bf16(const ResidualSum<Bf16Storage>& arguments) { residual_sum_any(arguments); }
void value_sums_f32(const F32Storage::Value* values, std::size_t rows, double* sums) {
  value_sums_any(values, rows, sums);
}
void value_sums_bf16(const Bf16Storage::Value* values, std::size_t rows, double* sums) {
  value_sums_any(values, rows, sums);
}
void norm_backward_f32(const NormBackward<F32Storage>& arguments) { norm_backward_any(arguments); }
void norm_backward_bf16(const NormBackward<Bf16Storage>& arguments) { norm_backward_any(arguments); }
void norm_backward_stem(const NormBackward<Bf16StemStorage>& arguments) { norm_backward_any(arguments); }
void gradient_sums_f32(const GradientSums<F32Storage>& arguments) { gradient_sums_any(arguments); }
void gradient_sums_bf16(const GradientSums<Bf16Storage>& arguments) { gradient_sums_any(arguments); }

}  // namespace convmixer::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "kernels/fused/bf16_target.hpp"

namespace convmixer::kernels {

HWY_EXPORT(gelu_forward_f32);
HWY_EXPORT(gelu_forward_bf16);
HWY_EXPORT(gelu_forward_stem);
HWY_EXPORT(norm_forward_f32);
HWY_EXPORT(norm_forward_bf16);
HWY_EXPORT(residual_sum_f32);
HWY_EXPORT(residual_sum_bf16);
HWY_EXPORT(value_sums_f32);
HWY_EXPORT(value_sums_bf16);
HWY_EXPORT(norm_backward_f32);
HWY_EXPORT(norm_backward_bf16);
HWY_EXPORT(norm_backward_stem);
HWY_EXPORT(gradient_sums_f32);
HWY_EXPORT(gradient_sums_bf16);

void gelu_forward(const GeluForward<F32Storage>& arguments) { HWY_DYNAMIC_DISPATCH(gelu_forward_f32)(arguments); }
void gelu_forward(const GeluForward<Bf16Storage>& arguments) { CONVMIXER_DISPATCH_BF16(gelu_forward_bf16)(arguments); }
void gelu_forward(const GeluForward<Bf16StemStorage>& arguments) {
  CONVMIXER_DISPATCH_BF16(gelu_forward_stem)(arguments);
}
void norm_forward(const NormForward<F32Storage>& arguments) { HWY_DYNAMIC_DISPATCH(norm_forward_f32)(arguments); }
void norm_forward(const NormForward<Bf16Storage>& arguments) { CONVMIXER_DISPATCH_BF16(norm_forward_bf16)(arguments); }
void residual_sum(const ResidualSum<F32Storage>& arguments) { HWY_DYNAMIC_DISPATCH(residual_sum_f32)(arguments); }
void residual_sum(const ResidualSum<Bf16Storage>& arguments) { CONVMIXER_DISPATCH_BF16(residual_sum_bf16)(arguments); }
void value_sums(const F32Storage::Value* values, std::size_t rows, double* sums) {
  HWY_DYNAMIC_DISPATCH(value_sums_f32)(values, rows, sums);
}
void value_sums(const Bf16Storage::Value* values, std::size_t rows, double* sums) {
  CONVMIXER_DISPATCH_BF16(value_sums_bf16)(values, rows, sums);
}
void norm_backward(const NormBackward<F32Storage>& arguments) { HWY_DYNAMIC_DISPATCH(norm_backward_f32)(arguments); }
void norm_backward(const NormBackward<Bf16Storage>& arguments) {
  CONVMIXER_DISPATCH_BF16(norm_backward_bf16)(arguments);
}
void norm_backward(const NormBackward<Bf16StemStorage>& arguments) {
  CONVMIXER_DISPATCH_BF16(norm_backward_stem)(arguments);
}
void gradient_sums(const GradientSums<F32Storage>& arguments) { HWY_DYNAMIC_DISPATCH(gradient_sums_f32)(arguments); }
void gradient_sums(const GradientSums<Bf16Storage>& arguments) {
  CONVMIXER_DISPATCH_BF16(gradient_sums_bf16)(arguments);
}

}  // namespace convmixer::kernels
#endif
