#include "plan/fused/dense_gradient.hpp"

#include <algorithm>
#include <array>
#include <span>

namespace convmixer::fused {

using kernels::kChannelBlock;

DenseGradient::DenseGradient(const StageContext& context, const ConvolutionStage& stage, std::size_t inputs,
                             std::size_t padded_inputs, std::size_t pixels)
    : context_(context),
      convolution_(stage.convolution),
      inputs_(inputs),
      product_(context.runtime, {context.geometry.padded_channels, padded_inputs, pixels, context.type},
               context.products) {}

std::size_t DenseGradient::input_blocks() const { return kernels::padded_channels(inputs_) / kChannelBlock; }

void DenseGradient::reduce(std::size_t task, const ChunkSums& sums) const {
  const std::size_t channel_block = task / input_blocks();
  const std::size_t input_block = task % input_blocks();
  reduce_weights(channel_block, input_block, sums);
  if (input_block == 0) reduce_biases(channel_block, sums);
}

void DenseGradient::reduce_weights(std::size_t channel_block, std::size_t input_block, const ChunkSums& sums) const {
  const std::size_t first_row = channel_block * kChannelBlock;
  const std::size_t rows = std::min(kChannelBlock, context_.geometry.channels - first_row);
  const std::size_t first_input = input_block * kChannelBlock;
  const std::size_t inputs = std::min(kChannelBlock, inputs_ - first_input);
  // A block of a chunk's sums lies in one piece; rows of all chunks one by one would be read in short pieces.
  alignas(64) std::array<std::array<float, kChannelBlock>, kChannelBlock> total;
  for (std::size_t chunk = 0; chunk < sums.count(); ++chunk) {
    for (std::size_t r = 0; r < rows; ++r) {
      const float* const from = sums.chunk(chunk).dense + product_.at(first_row + r, first_input);
      if (chunk == 0) {
        std::copy_n(from, inputs, total[r].data());
      } else {
        for (std::size_t i = 0; i < inputs; ++i) total[r][i] += from[i];
      }
    }
  }
  const std::span<float> weight = context_.parameters.gradient(convolution_.weight);
  for (std::size_t r = 0; r < rows; ++r) {
    std::copy_n(total[r].data(), inputs, &weight[(first_row + r) * inputs_ + first_input]);
  }
}

void DenseGradient::reduce_biases(std::size_t channel_block, const ChunkSums& sums) const {
  const std::size_t first = channel_block * kChannelBlock;
  const std::span<float> bias = context_.parameters.gradient(convolution_.bias);
  for (std::size_t c = first; c < std::min(first + kChannelBlock, context_.geometry.channels); ++c) {
    double sum = sums.chunk(0).bias[c];
    for (std::size_t chunk = 1; chunk < sums.count(); ++chunk) sum += sums.chunk(chunk).bias[c];
    bias[c] = static_cast<float>(sum);
  }
}

}  // namespace convmixer::fused
