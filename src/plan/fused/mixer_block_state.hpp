/// What the stages of a mixer block share.
/// Sizes (chunk, channel block): see "Words" in HACKING.md.
#pragma once

#include "kernels/fused/norm_stage.hpp"
#include "plan/fused/norm.hpp"
#include "plan/fused/stage_context.hpp"

#include <array>
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

/// Coefficients that leave a channel block's values as they are.
inline kernels::NormCoefficients no_norm() {
  static constexpr auto kOnes = [] {
    std::array<float, kernels::kChannelBlock> ones{};
    ones.fill(1.0F);
    return ones;
  }();
  static constexpr std::array<float, kernels::kChannelBlock> kZeros{};
  return {kOnes.data(), kZeros.data()};
}

/// x -> depthwise stage -> depthwise; x and depthwise -> pointwise stage -> pointwise. The block's input x is
/// norm(input); or, where the block before has a pointwise residual, a sum that no stage has as its result: `sum`.
template <class Storage>
struct MixerBlockState {
  using Value = typename Storage::Value;

  /// `block_before`: null for the first block.
  MixerBlockState(const StageContext& context, const MixerBlock& block, Activation<Storage>& block_input,
                  MixerBlockState* block_before)
      : input(block_input),
        before(block_before != nullptr && block_before->pointwise_residual ? block_before : nullptr),
        depthwise(context, block.depthwise),
        pointwise(context, block.pointwise),
        depthwise_residual(block.depthwise_residual),
        pointwise_residual(block.pointwise_residual) {}

  void add_memory(PlacedMemory& memory, const StageContext& context) {
    depthwise.add_memory(memory, context);
    pointwise.add_memory(memory, context);
    memory.add(residual_shift, context.geometry.padded_channels);
    if (pointwise_residual) memory.add(output_shift, context.geometry.padded_channels);
    if (before != nullptr && context.training) memory.add(sum, context.geometry.tensor_size(), context.by_chunk());
  }

  /// x = scale values + shift; in training.
  [[nodiscard]] const Value* input_values() const { return before == nullptr ? input.value : sum; }
  [[nodiscard]] kernels::NormCoefficients input_norm(std::size_t channel_block) const {
    const std::size_t channel = channel_block * kernels::kChannelBlock;
    return before == nullptr ? kernels::NormCoefficients{input.norm.scale() + channel, input.norm.shift() + channel}
                             : no_norm();
  }

  /// `sum` of some rows of a channel block, from what the block before has left. In training.
  void set_sum(std::size_t channel_block, std::size_t offset, std::size_t rows) const {
    const std::size_t channel = channel_block * kernels::kChannelBlock;
    kernels::residual_sum(
        kernels::ResidualSum<Storage>{.value0 = before->pointwise.value + offset,
                                      .scale0 = before->pointwise.norm.scale() + channel,
                                      .value1 = before->depthwise.value + offset,
                                      .scale1 = before->depthwise.norm.scale() + channel,
                                      .value2 = before->depthwise_residual ? before->input_values() + offset : nullptr,
                                      .scale2 = before->input_norm(channel_block).scale,
                                      .shift = before->output_shift + channel,
                                      .rows = rows,
                                      .dst = sum + offset});
  }

  /// Once both norms' coefficients are known: of a channel block.
  void set_residual_shift(std::size_t channel_block) {
    const std::size_t first = channel_block * kernels::kChannelBlock;
    const float* const shift = input_norm(channel_block).shift;
    for (std::size_t c = 0; c < kernels::kChannelBlock; ++c) {
      residual_shift[first + c] =
          depthwise_residual ? shift[c] + depthwise.norm.shift()[first + c] : depthwise.norm.shift()[first + c];
    }
  }
  /// Once the last norm's are too.
  void set_output_shift(std::size_t channel_block) {
    const std::size_t first = channel_block * kernels::kChannelBlock;
    for (std::size_t c = first; c < first + kernels::kChannelBlock; ++c)
      output_shift[c] = residual_shift[c] + pointwise.norm.shift()[c];
  }

  Activation<Storage>& input;  ///< the stem's, or the pointwise one of the block before
  MixerBlockState* before;     ///< the block before, if it has a pointwise residual
  Activation<Storage> depthwise;
  Activation<Storage> pointwise;
  bool depthwise_residual;          ///< whether x is added to norm(depthwise)
  bool pointwise_residual;          ///< whether that is added to norm(pointwise)
  float* residual_shift = nullptr;  ///< of x + norm(depthwise), the pointwise convolution's input
  float* output_shift = nullptr;    ///< with a pointwise residual: of the block's output, that and norm(pointwise)
  Value* sum = nullptr;             ///< with `before`, in training: x
};

}  // namespace convmixer::fused
