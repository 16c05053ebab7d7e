#include "plan/fused/chunk_sums.hpp"

#include "plan/fused/norm.hpp"

#include <array>
#include <span>

namespace convmixer::fused {

using kernels::kChannelBlock;

namespace {

/// Of two parts of the tree, each the number of values, means and squares.
void merge(std::span<double> lower, std::span<const double> upper) {
  const std::size_t channels = lower.size() / 2;
  kernels::Moments moments{lower[0], lower.data() + 1, lower.data() + 1 + channels};
  kernels::merge_moments(moments, upper[0], upper.data() + 1, upper.data() + 1 + channels, channels);
  lower[0] = moments.values;
}

}  // namespace

ChunkSums::ChunkSums(const StageContext& context) : context_(context) {
  for (std::size_t chunk = 0; chunk < count(); ++chunk) {
    values_.push_back(context.chunks.size(chunk) * context.geometry.pixels);
  }
  if (context.ranks != nullptr) exchanged_.resize(3 * channel_stride());
}

void ChunkSums::add_memory(PlacedMemory& memory, std::size_t dense, std::size_t depthwise) {
  dense_stride_ = dense;
  depthwise_stride_ = depthwise;
  memory.add(origin_, count() * channel_stride(), context_.by_chunk());
  memory.add(first_, count() * channel_stride(), context_.by_chunk());
  memory.add(second_, count() * channel_stride(), context_.by_chunk());
  memory.add(bias_, count() * channel_stride(), context_.by_chunk());
  memory.add(dense_, count() * dense_stride_, context_.by_chunk());
  memory.add(depthwise_, count() * depthwise_stride_, context_.by_chunk());
}

Chunk ChunkSums::chunk(std::size_t number) const {
  const std::size_t channels = number * channel_stride();
  return {.begin = context_.chunks.begin(number),
          .end = context_.chunks.end(number),
          .origin = origin_ + channels,
          .moment_sum = first_ + channels,
          .moment_square = second_ + channels,
          .gradient_sum = first_ + channels,
          .weighted_sum = second_ + channels,
          .bias = bias_ + channels,
          .dense = dense_ + number * dense_stride_,
          .depthwise = depthwise_ + number * depthwise_stride_};
}

kernels::ChunkMomentSums ChunkSums::moments(std::size_t first_channel) const {
  return {.origin = origin_ + first_channel,
          .sum = first_ + first_channel,
          .square = second_ + first_channel,
          .values = values_.data(),
          .chunks = count(),
          .stride = channel_stride()};
}

void ChunkSums::total(const double* sums, std::size_t first_channel, std::size_t channels, double* result) const {
  kernels::chunk_total({sums + first_channel, count(), channel_stride(), channels}, result);
}

void ChunkSums::exchange_moments() {
  if (context_.ranks == nullptr) return;
  const std::size_t channels = channel_stride();
  exchanged_[0] = static_cast<double>(context_.geometry.batch * context_.geometry.pixels);
  kernels::chunk_moments(moments(0), channels, exchanged_.data() + 1, exchanged_.data() + 1 + channels);
  context_.ranks->combine(std::span(exchanged_).first(1 + 2 * channels), merge);
}

void ChunkSums::finish_forward(Norm& norm, std::size_t channel_block, bool update_statistics) const {
  const std::size_t first = channel_block * kChannelBlock;
  const auto values = static_cast<double>(context_.norm_values());
  if (context_.ranks != nullptr) {
    const double* const mean = exchanged_.data() + 1 + first;
    norm.finish_forward(channel_block, mean, mean + channel_stride(), values, update_statistics);
    return;
  }
  std::array<double, kChannelBlock> mean;
  std::array<double, kChannelBlock> square;
  kernels::chunk_moments(moments(first), kChannelBlock, mean.data(), square.data());
  norm.finish_forward(channel_block, mean.data(), square.data(), values, update_statistics);
}

void ChunkSums::exchange_gradient_sums() {
  if (context_.ranks == nullptr) return;
  const std::size_t channels = channel_stride();
  double* to = exchanged_.data();
  for (const double* const sums : {first_, second_, bias_}) {
    total(sums, 0, channels, to);
    to += channels;
  }
  context_.ranks->sum(std::span(exchanged_));
}

void ChunkSums::finish_backward(Norm& norm, std::size_t channel_block) const {
  const std::size_t first = channel_block * kChannelBlock;
  if (context_.ranks != nullptr) {
    const double* const sums = exchanged_.data() + first;
    norm.finish_backward(channel_block, sums, sums + channel_stride(), context_.norm_values());
    return;
  }
  std::array<double, kChannelBlock> gradient;
  std::array<double, kChannelBlock> weighted;
  total(first_, first, kChannelBlock, gradient.data());
  total(second_, first, kChannelBlock, weighted.data());
  norm.finish_backward(channel_block, gradient.data(), weighted.data(), context_.norm_values());
}

void ChunkSums::bias_total(std::size_t channel_block, double* result) const {
  const std::size_t first = channel_block * kChannelBlock;
  if (context_.ranks != nullptr) {
    std::copy_n(exchanged_.data() + 2 * channel_stride() + first, kChannelBlock, result);
    return;
  }
  total(bias_, first, kChannelBlock, result);
}

}  // namespace convmixer::fused
