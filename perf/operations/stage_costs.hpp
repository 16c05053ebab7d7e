/// FLOP of an element in fused stages (kernels/fused/norm_stage.hpp has the formulas), an erf or exp counted as one.
#pragma once

namespace convmixer::perf {

// GELU and its derivative. Phi(x) = (erf(x / sqrt 2) + 1) / 2: 4; x phi(x) = x * exp(-x * x / 2) / sqrt(2 pi): 5; the
// derivative, their sum: 1; the value, x Phi(x): 1.
constexpr double kGeluAndDerivativeFlops = 11.0;
// Of value - origin and its square: a subtraction, an addition, a multiply-add.
constexpr double kMomentFlops = 4.0;
// scale0 value0 + scale1 value1 + shift: two multiply-adds.
constexpr double kNormWithResidualFlops = 4.0;
// scale value + shift: a multiply-add.
constexpr double kNormFlops = 2.0;
// (a diff_dst + b value + c) derivative: two multiply-adds and a multiplication.
constexpr double kNormGradientFlops = 5.0;
// Their sum.
constexpr double kBiasGradientFlops = 1.0;
// first += gradient; second += gradient (value - mean): an addition, a subtraction, a multiply-add.
constexpr double kGradientSumFlops = 4.0;

}  // namespace convmixer::perf
