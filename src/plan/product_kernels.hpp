/// Which kernels multiply the matrices of fused stages.
#pragma once

namespace convmixer {

enum class ProductKernels {
  automatic,  ///< oneDNN's where the CPU has a matrix unit for the precision (AMX), else the hand-written ones
  hand_written,
  onednn,
};

}  // namespace convmixer
