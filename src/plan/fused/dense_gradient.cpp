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
      product_(context.runtime,
               {.outputs = context.read_by_products(context.geometry.channels, context.geometry.padded_channels),
                .inputs = context.read_by_products(inputs, padded_inputs),
                .pixels = pixels,
                .type = context.type},
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
  // A block of a chunk's sums lies in one piece, or its rows do; all rows one by one would be read in short pieces.
  alignas(64) std::array<float, kChannelBlock * kChannelBlock> total;
  const std::size_t begin = product_.at(first_row, first_input);
  const std::size_t row_stride = product_.at(first_row + 1, first_input) - begin;
  kernels::chunk_total({.first = sums.chunk(0).dense + begin,
                        .chunks = sums.count(),
                        .stride = sums.dense_stride(),
                        .columns = inputs,
                        .rows = rows,
                        .row_stride = row_stride},
                       total.data());
  const std::span<float> weight = context_.parameters.gradient(convolution_.weight);
  for (std::size_t r = 0; r < rows; ++r) {
    std::copy_n(total.data() + r * inputs, inputs, &weight[(first_row + r) * inputs_ + first_input]);
  }
}

void DenseGradient::reduce_biases(std::size_t channel_block, const ChunkSums& sums) const {
  const std::size_t first = channel_block * kChannelBlock;
  const std::span<float> bias = context_.parameters.gradient(convolution_.bias);
  std::array<double, kChannelBlock> total;
  sums.bias_total(channel_block, total.data());
  for (std::size_t c = first; c < std::min(first + kChannelBlock, context_.geometry.channels); ++c) {
    bias[c] = static_cast<float>(total[c - first]);
  }
}

}  // namespace convmixer::fused
