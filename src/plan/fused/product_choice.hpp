/// Which kernels multiply the matrices of fused stages: the one place that decides it.
#pragma once

#include "kernels/onednn/onednn.hpp"
#include "plan/product_kernels.hpp"

namespace convmixer {

/// `wanted`, or for `automatic`: oneDNN's if it has a matrix unit for the type (AMX), else hand-written ones.
[[nodiscard]] ProductKernels choose_products(kernels::Runtime& runtime, kernels::ElementType type,
                                             ProductKernels wanted);

}  // namespace convmixer
