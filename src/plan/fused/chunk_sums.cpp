#include "plan/fused/chunk_sums.hpp"

namespace convmixer::fused {

ChunkSums::ChunkSums(const StageContext& context) : context_(context) {
  for (std::size_t chunk = 0; chunk < count(); ++chunk) {
    values_.push_back(context.chunks.size(chunk) * context.geometry.pixels);
  }
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

kernels::ChunkMomentSums ChunkSums::moments() const {
  return {.origin = origin_,
          .sum = first_,
          .square = second_,
          .values = values_.data(),
          .chunks = count(),
          .stride = channel_stride()};
}

ChunkGradientSums ChunkSums::gradient_sums() const {
  return {.gradient_sum = first_,
          .weighted_sum = second_,
          .chunks = count(),
          .stride = channel_stride(),
          .values = context_.geometry.batch * context_.geometry.pixels};
}

}  // namespace convmixer::fused
