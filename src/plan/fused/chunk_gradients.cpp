#include "plan/fused/chunk_gradients.hpp"

#include "kernels/fused/chunk_sums.hpp"
#include "kernels/fused/depthwise_stage.hpp"
#include "kernels/fused/stage_storage.hpp"

#include <algorithm>
#include <array>

namespace convmixer {

using kernels::kChannelBlock;

ChunkGradients::ChunkGradients(Parameters& parameters, std::size_t chunks, std::size_t channels)
    : parameters_(parameters), chunks_(chunks), channels_(channels), padded_(kernels::padded_channels(channels)) {}

void ChunkGradients::add_memory(PlacedMemory& memory, std::size_t dense_floats, std::size_t kernel) {
  const ArrayUser by_chunk = ArrayUser::tasks(chunks_);
  memory.add(bias_, chunks_ * padded_, by_chunk);
  memory.add(dense_, chunks_ * dense_floats, by_chunk);
  memory.add(depthwise_, chunks_ * padded_ / kChannelBlock * kernels::depthwise_sums_size(kernel), by_chunk);
}

double* ChunkGradients::depthwise(std::size_t kernel, std::size_t chunk) const {
  return depthwise_ + chunk * padded_ / kChannelBlock * kernels::depthwise_sums_size(kernel);
}

void ChunkGradients::add_up_dense(const ConvolutionStage& stage, const GradientProduct& product, std::size_t inputs,
                                  std::size_t row) const {
  const std::span<float> weight = parameters_.gradient(stage.convolution.weight);
  const std::span<float> bias = parameters_.gradient(stage.convolution.bias);
  const std::size_t rows = std::min(kChannelBlock, channels_ - row);
  // A block of a chunk's sums lies in one piece; rows of all chunks one by one would be read in short pieces.
  alignas(64) std::array<std::array<float, kChannelBlock>, kChannelBlock> sums;
  for (std::size_t input = 0; input < inputs; input += kChannelBlock) {
    const std::size_t count = std::min(kChannelBlock, inputs - input);
    for (std::size_t chunk = 0; chunk < chunks_; ++chunk) {
      for (std::size_t r = 0; r < rows; ++r) {
        const float* const from = dense(product, chunk) + product.at(row + r, input);
        if (chunk == 0) {
          std::copy_n(from, count, sums[r].data());
        } else {
          for (std::size_t i = 0; i < count; ++i) sums[r][i] += from[i];
        }
      }
    }
    for (std::size_t r = 0; r < rows; ++r) std::copy_n(sums[r].data(), count, &weight[(row + r) * inputs + input]);
  }
  for (std::size_t r = row; r < row + rows; ++r) {
    double sum = bias_[r];
    for (std::size_t chunk = 1; chunk < chunks_; ++chunk) sum += bias_[chunk * padded_ + r];
    bias[r] = static_cast<float>(sum);
  }
}

void ChunkGradients::add_up_depthwise(const ConvolutionStage& stage, std::size_t channel) const {
  const Convolution& convolution = stage.convolution;
  const auto kernel = static_cast<std::size_t>(convolution.kernel);
  const std::size_t size = kernels::depthwise_sums_size(kernel);
  double* const sums = depthwise_ + channel / kChannelBlock * size;
  kernels::chunk_total(sums, chunks_, padded_ / kChannelBlock * size, size, sums);
  const std::size_t channels = std::min(kChannelBlock, channels_ - channel);
  kernels::unpack_depthwise_gradient(
      {sums, size}, 1, channels, kernel,
      parameters_.gradient(convolution.weight).subspan(channel * kernel * kernel, channels * kernel * kernel),
      parameters_.gradient(convolution.bias).subspan(channel, channels));
}

}  // namespace convmixer
