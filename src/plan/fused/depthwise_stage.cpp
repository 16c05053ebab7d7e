#include "plan/fused/depthwise_stage.hpp"

#include <algorithm>
#include <span>

namespace convmixer::fused {

using kernels::kChannelBlock;

template <class Storage>
DepthwiseStage<Storage>::DepthwiseStage(const StageContext& context, const StageChain& chain,
                                        const ConvolutionStage& stage, MixerBlockState<Storage>& state)
    : context_(context),
      convolution_(stage.convolution),
      activation_(stage.activation),
      geometry_{.height = chain.height,
                .width = chain.width,
                .kernel = static_cast<std::size_t>(convolution_.kernel),
                .padding_begin = static_cast<std::size_t>(convolution_.padding_begin)},
      state_(state) {}

template <class Storage>
void DepthwiseStage<Storage>::add_memory(PlacedMemory& memory) {
  const StageGeometry& geometry = context_.geometry;
  memory.add(filters_, geometry.channel_blocks * filter_words());
  memory.add(bias_, geometry.padded_channels);
  if (!context_.training) return;
  memory.add(flipped_, geometry.channel_blocks * filter_words());
  memory.add(gelu_derivative_, geometry.tensor_size(), context_.by_chunk());
  if (context_.ranks != nullptr) memory.add(share_sums_, depthwise_sums());
}

template <class Storage>
WorkerSizes DepthwiseStage<Storage>::worker_sizes() const {
  return {.depthwise = kernels::DepthwiseScratch::floats(geometry_)};
}

template <class Storage>
std::size_t DepthwiseStage<Storage>::depthwise_sums() const {
  return context_.geometry.channel_blocks * kernels::depthwise_sums_size(geometry_.kernel);
}

template <class Storage>
void DepthwiseStage<Storage>::prepare(RefreshTasks& tasks) {
  tasks.packing.emplace_back([this] { refresh(); });
}

template <class Storage>
void DepthwiseStage<Storage>::refresh() const {
  const StageGeometry& geometry = context_.geometry;
  const std::span<const float> weights = context_.parameters.value(convolution_.weight);
  const std::size_t words = geometry.channel_blocks * filter_words();
  kernels::pack_depthwise<Storage>(weights, geometry.channels, geometry_.kernel, false, {filters_, words});
  if (context_.training) {
    kernels::pack_depthwise<Storage>(weights, geometry.channels, geometry_.kernel, true, {flipped_, words});
  }
  std::copy_n(context_.parameters.value(convolution_.bias).data(), geometry.channels, bias_);
  std::fill(bias_ + geometry.channels, bias_ + geometry.padded_channels, 0.0F);
}

template <class Storage>
void DepthwiseStage<Storage>::infer(std::size_t part, const InferenceImage<Storage>& image, kernels::RowLayout dst,
                                    Worker<Storage>& worker) const {
  const std::size_t channel = part * kChannelBlock;
  const std::size_t offset = context_.geometry.offset(0, part);
  if (state_.before != nullptr) {  // image.sum is the input of its pointwise convolution
    kernels::residual_sum(kernels::ResidualSum<Storage>{.value0 = image.value + offset,
                                                        .scale0 = state_.input.norm.scale() + channel,
                                                        .value1 = image.sum + offset,
                                                        .scale1 = no_norm().scale,
                                                        .value2 = nullptr,
                                                        .scale2 = nullptr,
                                                        .shift = state_.input.norm.shift() + channel,
                                                        .rows = context_.geometry.pixels,
                                                        .dst = image.sum + offset});
  }
  kernels::depthwise_inference(
      kernels::DepthwiseInference<Storage>{.geometry = geometry_,
                                           .src = (state_.before != nullptr ? image.sum : image.value) + offset,
                                           .norm = state_.input_norm(part),
                                           .filters = filters_ + part * filter_words(),
                                           .bias = bias_ + channel,
                                           .branch_scale = state_.depthwise.norm.scale() + channel,
                                           .out_shift = state_.residual_shift + channel,
                                           .dst = image.src + part * dst.block,
                                           .stride = dst.row,
                                           .activation = activation_,
                                           .residual = state_.depthwise_residual,
                                           .kept = state_.pointwise_residual ? image.sum + offset : nullptr,
                                           .channels = context_.geometry.channels_of_block(part)},
      *worker.depthwise);
}

template <class Storage>
void DepthwiseStage<Storage>::forward(const Chunk& chunk, Worker<Storage>& worker) const {
  const StageGeometry& geometry = context_.geometry;
  chunk.clear_moments(geometry.padded_channels);
  for (std::size_t image = chunk.begin; image < chunk.end; ++image) {
    for (std::size_t channel_block = 0; channel_block < geometry.channel_blocks; ++channel_block) {
      const std::size_t channel = channel_block * kChannelBlock;
      const std::size_t offset = geometry.offset(image, channel_block);
      if (state_.before != nullptr) state_.set_sum(channel_block, offset, geometry.pixels);
      kernels::depthwise_forward(
          kernels::DepthwiseForward<Storage>{.geometry = geometry_,
                                             .src = state_.input_values() + offset,
                                             .norm = state_.input_norm(channel_block),
                                             .filters = filters_ + channel_block * filter_words(),
                                             .bias = bias_ + channel,
                                             .value = state_.depthwise.value + offset,
                                             .gelu_derivative = gelu_derivative_ + offset,
                                             .moments = chunk.moments(image, channel),
                                             .activation = activation_,
                                             .channels = geometry.channels_of_block(channel_block)},
          *worker.depthwise);
    }
  }
}

template <class Storage>
void DepthwiseStage<Storage>::backward(Operand* gradient, const Chunk& chunk, Worker<Storage>& worker) const {
  const StageGeometry& geometry = context_.geometry;
  const std::size_t sums = kernels::depthwise_sums_size(geometry_.kernel);
  chunk.clear_gradient_sums(geometry.padded_channels);
  std::fill_n(chunk.depthwise, geometry.channel_blocks * sums, 0.0);
  for (std::size_t image = chunk.begin; image < chunk.end; ++image) {
    for (std::size_t channel_block = 0; channel_block < geometry.channel_blocks; ++channel_block) {
      const std::size_t channel = channel_block * kChannelBlock;
      const std::size_t offset = geometry.offset(image, channel_block);
      kernels::depthwise_backward(
          kernels::DepthwiseBackward<Storage>{
              .geometry = geometry_,
              .gradient = gradient + offset,
              .value = state_.depthwise.value + offset,
              .gelu_derivative = gelu_derivative_ + offset,
              .coefficients = {state_.depthwise.norm.a() + channel, state_.depthwise.norm.b() + channel,
                               state_.depthwise.norm.c() + channel},
              .filters = flipped_ + channel_block * filter_words(),
              .src = state_.input_values() + offset,
              .src_norm = state_.input_norm(channel_block),
              .filter_sums = chunk.depthwise + channel_block * sums,
              .norm_value = state_.input.value + offset,
              .norm_mean = state_.input.norm.mean() + channel,
              .norm_sums = {chunk.gradient_sum + channel, chunk.weighted_sum + channel},
              .residual = state_.depthwise_residual,
              .channels = geometry.channels_of_block(channel_block)},
          *worker.depthwise);
    }
  }
}

template <class Storage>
void DepthwiseStage<Storage>::reduce_forward(std::size_t channel_block, const ChunkSums& sums, bool update_statistics) {
  sums.finish_forward(state_.depthwise.norm, channel_block, update_statistics);
  state_.set_residual_shift(channel_block);
}

template <class Storage>
void DepthwiseStage<Storage>::reduce_backward(std::size_t task, const ChunkSums& sums) {
  reduce_gradients(task, sums);
  if (task % 2 == 0) sums.finish_backward(state_.input.norm, task / 2);
}

/// Chunks' sums lie in halves of a channel block.
template <class Storage>
void DepthwiseStage<Storage>::reduce_gradients(std::size_t half_block, const ChunkSums& sums) const {
  if (share_sums_ == nullptr && half_block * kChannelBlock / 2 >= context_.geometry.channels) return;
  const std::size_t size = half_sums();
  double* const of_first = sums.chunk(0).depthwise + half_block * size;
  double* const total = share_sums_ != nullptr ? share_sums_ + half_block * size : of_first;  // in its place
  kernels::chunk_total({of_first, sums.count(), sums.depthwise_stride(), size}, total);
  if (share_sums_ == nullptr) set_gradients(half_block, total);
}

template <class Storage>
void DepthwiseStage<Storage>::set_gradients(std::size_t half_block, const double* total) const {
  constexpr std::size_t kHalf = kChannelBlock / 2;
  const std::size_t first = half_block * kHalf;
  if (first >= context_.geometry.channels) return;
  const std::size_t channels = std::min(kHalf, context_.geometry.channels - first);
  const std::size_t taps = geometry_.kernel * geometry_.kernel;
  kernels::unpack_depthwise_gradient(
      {total, half_sums()}, 1, channels, geometry_.kernel,
      context_.parameters.gradient(convolution_.weight).subspan(first * taps, channels * taps),
      context_.parameters.gradient(convolution_.bias).subspan(first, channels));
}

template <class Storage>
void DepthwiseStage<Storage>::add_sums(GradientExchange& exchange, std::size_t step) const {
  exchange.add(step, std::span(share_sums_, depthwise_sums()), [this] {
    for (std::size_t half_block = 0; half_block < reduce_tasks(); ++half_block)
      set_gradients(half_block, share_sums_ + half_block * half_sums());
  });
}

template <class Storage>
std::vector<ParameterId> DepthwiseStage<Storage>::gradients() const {
  const Norm& norm = state_.input.norm;
  return {convolution_.weight, convolution_.bias, norm.scale_parameter(), norm.shift_parameter()};
}

template class DepthwiseStage<kernels::F32Storage>;
template class DepthwiseStage<kernels::Bf16Storage>;

}  // namespace convmixer::fused
