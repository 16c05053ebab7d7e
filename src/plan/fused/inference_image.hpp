/// An image on its way through a fused plan for inference.
/// Sizes (tile): see "Words" in HACKING.md.
#pragma once

#include "kernels/fused/norm_stage.hpp"
#include "plan/fused/stage_geometry.hpp"
#include "plan/fused/worker.hpp"
#include "plan/placed_memory.hpp"

#include <cstddef>

namespace convmixer::fused {

/// What one stage leaves for the next.
template <class Storage>
struct InferenceImage {
  std::size_t number = 0;         ///< in the batch
  const float* pixels = nullptr;  ///< (C, H, W)

  typename Storage::Operand* patches = nullptr;  ///< of the stem's product
  typename Storage::Operand* src = nullptr;      ///< of a pointwise product
  typename Storage::Value* value = nullptr;      ///< after the stem's or a pointwise convolution's GELU
  typename Storage::Value* sum = nullptr;        ///< of residuals, where blocks have two: `src`, or a block's input
  // Of the last one:
  typename Storage::GeluDerivative* gelu_derivative = nullptr;
  kernels::MomentSums moments{.origin = nullptr, .sum = nullptr, .square = nullptr, .begins = true};

  /// `sizes`: of a plan's workers, of which it takes `src` and `patches`.
  void add_memory(PlacedMemory& memory, const WorkerSizes& sizes, const StageGeometry& geometry, bool keeps_sum,
                  ArrayUser user) {
    memory.add(patches, sizes.patches, user);
    memory.add(src, sizes.src, user);
    memory.add(value, geometry.image_size(), user);
    if (keeps_sum) memory.add(sum, geometry.image_size(), user);
    memory.add(gelu_derivative, geometry.image_size(), user);
    memory.add(moments.origin, geometry.padded_channels, user);
    memory.add(moments.sum, geometry.padded_channels, user);
    memory.add(moments.square, geometry.padded_channels, user);
  }
};

}  // namespace convmixer::fused
