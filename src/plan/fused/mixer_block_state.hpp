/// What the stages of a mixer block share.
/// Sizes (chunk, channel block): see "Words" in HACKING.md.
#pragma once

#include "plan/fused/norm.hpp"
#include "plan/fused/stage_context.hpp"

#include <cstddef>

namespace convmixer::fused {

/// The values after a stage's GELU, and the batch norm that they go through into the next stage.
template <class Storage>
struct Activation {
  Activation(const StageContext& context, const ConvolutionStage& stage) : norm(stage, context.parameters) {}

  void add_memory(PlacedMemory& memory, const StageContext& context) {
    if (context.training) memory.add(value, context.geometry.tensor_size(), context.by_chunk());
    norm.add_memory(memory);
  }

  typename Storage::Value* value = nullptr;  ///< training only; see StageGeometry
  Norm norm;
};

/// input -> depthwise stage -> depthwise; input and depthwise -> pointwise stage -> pointwise, the next mixer block's
/// input.
template <class Storage>
struct MixerBlockState {
  MixerBlockState(const StageContext& context, const MixerBlock& block, Activation<Storage>& block_input)
      : input(block_input),
        depthwise(context, block.depthwise),
        pointwise(context, block.pointwise),
        residual(block.residual) {}

  void add_memory(PlacedMemory& memory, const StageContext& context) {
    depthwise.add_memory(memory, context);
    pointwise.add_memory(memory, context);
    memory.add(residual_shift, context.geometry.padded_channels);
  }

  /// Once both norms' coefficients are known: of a channel block.
  void set_residual_shift(std::size_t channel_block) {
    const std::size_t first = channel_block * kernels::kChannelBlock;
    for (std::size_t c = first; c < first + kernels::kChannelBlock; ++c) {
      residual_shift[c] = residual ? input.norm.shift()[c] + depthwise.norm.shift()[c] : depthwise.norm.shift()[c];
    }
  }

  Activation<Storage>& input;  ///< the stem's, or the pointwise one of the block before
  Activation<Storage> depthwise;
  Activation<Storage> pointwise;
  bool residual;                    ///< whether norm(input) is added to norm(depthwise)
  float* residual_shift = nullptr;  ///< of that, the pointwise convolution's input
};

}  // namespace convmixer::fused
