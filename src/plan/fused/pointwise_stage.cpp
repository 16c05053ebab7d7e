#include "plan/fused/pointwise_stage.hpp"

#include "kernels/fused/norm_stage.hpp"
#include "plan/fused/gelu_backward.hpp"
#include "plan/fused/tile_gelu.hpp"

#include <algorithm>
#include <array>

namespace convmixer::fused {

using kernels::kChannelBlock;

namespace {

/// Pixels of a slab: so many that backward's operands, the weights and their gradient, and what streams by stay in the
/// second-level cache together. An even number, so that pairs of pixels are whole. (More and smaller ones read and
/// write the weight gradient's sums more often.)
std::size_t slab_pixels(const StageContext& context, std::size_t operand_bytes) {
  constexpr std::size_t kOperandBytes = std::size_t{128} * 1024;
  const std::size_t pixels = context.geometry.pixels;
  if (context.products != ProductKernels::hand_written) return pixels;
  const std::size_t most =
      std::max<std::size_t>(kChannelBlock, kOperandBytes / (context.geometry.padded_channels * operand_bytes));
  const std::size_t slabs = (pixels + most - 1) / most;
  return std::min(pixels, ((pixels + slabs - 1) / slabs + 1) / 2 * 2);
}

}  // namespace

template <class Storage>
PointwiseStage<Storage>::PointwiseStage(const StageContext& context, const ConvolutionStage& stage,
                                        MixerBlockState<Storage>& state, HeadStage* head)
    : context_(context),
      convolution_(stage.convolution),
      activation_(stage.activation),
      state_(state),
      head_(head),
      adds_gradient_(state.pointwise_residual && head == nullptr),
      adds_pixel_gradient_(state.pointwise_residual && head != nullptr),
      slab_pixels_(slab_pixels(context, sizeof(Operand))),
      weights_(context, stage, context.geometry.channels, context.geometry.padded_channels,
               {.pixels = context.training ? slab_pixels_ : 0, .added = adds_pixel_gradient_}) {
  if (!context.training) return;
  gradient_.emplace(context, stage, context.geometry.channels, context.geometry.padded_channels, slab_pixels_);
}

template <class Storage>
void PointwiseStage<Storage>::add_memory(PlacedMemory& memory) {
  weights_.add_memory(memory);
  if (context_.training) memory.add(gelu_derivative_, context_.geometry.tensor_size(), context_.by_chunk());
}

template <class Storage>
WorkerSizes PointwiseStage<Storage>::worker_sizes() const {
  const StageGeometry& geometry = context_.geometry;
  WorkerSizes sizes{.src = geometry.image_size(), .scratchpad_bytes = weights_.scratchpad_bytes()};
  if (!context_.training) return sizes;
  sizes.channels = geometry.padded_channels;
  sizes.diff_dst = slab_pixels_ * geometry.padded_channels;
  sizes.src_words = gradient_->pair_words() * geometry.padded_channels;
  sizes.diff_dst_words = sizes.src_words;
  sizes.scratchpad_bytes = std::max(sizes.scratchpad_bytes, gradient_->scratchpad_bytes());
  return sizes;
}

template <class Storage>
void PointwiseStage<Storage>::prepare(std::deque<Worker<Storage>>& workers, RefreshTasks& refresh) {
  weights_.prepare(workers, refresh);
  if (gradient_) gradient_->prepare(workers);
}

template <class Storage>
void PointwiseStage<Storage>::infer(std::size_t part, const InferenceImage<Storage>& image, Worker<Storage>& worker) {
  const StageGeometry& geometry = context_.geometry;
  if (head_ == nullptr) {
    weights_.forward(image.src, {part, part + 1}, worker,
                     TileGelu<Storage>{image.value, nullptr, {}, geometry.pixels, activation_});
    return;
  }
  // Moments come with derivatives alone.
  const TileGelu<Storage> gelu{image.value, image.gelu_derivative, image.moments, geometry.pixels, activation_};
  weights_.forward(image.src, weights_.tiles_of_slice(part), worker, [&](const ProductTile& tile) {
    if (tile.first_row == 0) std::fill_n(image.moments.sum + tile.first_column, tile.columns, 0.0);
    gelu(tile);
  });
}

template <class Storage>
void PointwiseStage<Storage>::forward(const Chunk& chunk, Worker<Storage>& worker) {
  const StageGeometry& geometry = context_.geometry;
  const std::size_t channels = geometry.padded_channels;
  chunk.clear_moments(channels);
  for (std::size_t image = chunk.begin; image < chunk.end; ++image) {
    if (head_ != nullptr) std::copy_n(chunk.moment_sum, channels, worker.sums);
    normalise_input(geometry.whole(image), weights_.src_layout(), 0, worker);
    const std::size_t offset = geometry.offset(image, 0);
    weights_.forward(worker.src, worker,
                     TileGelu<Storage>{state_.pointwise.value + offset, gelu_derivative_ + offset,
                                       chunk.moments(image, 0), geometry.pixels, activation_});
    if (head_ == nullptr) continue;
    // The image's sums are the chunk's with it less those before it.
    for (std::size_t c = 0; c < channels; ++c) worker.sums[c] = chunk.moment_sum[c] - worker.sums[c];
    head_->set_image_mean(image, chunk.origin, worker.sums);
    if (state_.pointwise_residual) set_residual_mean(image);
  }
}

/// Of y, the input of the product, which no stage keeps.
template <class Storage>
void PointwiseStage<Storage>::set_residual_mean(std::size_t image) const {
  const StageGeometry& geometry = context_.geometry;
  double* const means = head_->residual_mean(image);
  std::copy_n(state_.residual_shift, geometry.padded_channels, means);
  const auto add = [&](const typename Storage::Value* values, const float* scale, std::size_t channel_block) {
    std::array<double, kChannelBlock> sums;
    kernels::value_sums(values + geometry.offset(image, channel_block), geometry.pixels, sums.data());
    double* const mean = means + channel_block * kChannelBlock;
    for (std::size_t c = 0; c < kChannelBlock; ++c)
      mean[c] += static_cast<double>(scale[c]) * sums[c] / static_cast<double>(geometry.pixels);
  };
  for (std::size_t channel_block = 0; channel_block < geometry.channel_blocks; ++channel_block) {
    add(state_.depthwise.value, state_.depthwise.norm.scale() + channel_block * kChannelBlock, channel_block);
    if (state_.depthwise_residual) add(state_.input_values(), state_.input_norm(channel_block).scale, channel_block);
  }
}

template <class Storage>
void PointwiseStage<Storage>::backward(Operand* gradient, const Chunk& chunk, Worker<Storage>& worker) {
  const StageGeometry& geometry = context_.geometry;
  const kernels::RowLayout layout = weights_.diff_dst_layout();
  const std::size_t pair_words = gradient_->pair_words();
  // The weight gradient reads its operands as the data gradient does, or in words.
  const void* const diff_dst = pair_words > 0 ? static_cast<const void*>(worker.diff_dst_words) : worker.diff_dst;
  const void* const src = pair_words > 0 ? static_cast<const void*>(worker.src_words) : worker.src;
  const std::size_t channels = geometry.padded_channels;
  chunk.clear_gradient_sums(channels);
  std::fill_n(chunk.bias, channels, 0.0);
  const GeluBackward<Storage> gelu{.geometry = geometry,
                                   .value = state_.pointwise.value,
                                   .gelu_derivative = gelu_derivative_,
                                   .norm = state_.pointwise.norm,
                                   .rows = layout,
                                   .dst = worker.diff_dst,
                                   .words_of_block = pair_words,
                                   .words = worker.diff_dst_words,
                                   .bias_sums = chunk.bias};
  for (std::size_t image = chunk.begin; image < chunk.end; ++image) {
    const float* const shifted_c = head_ == nullptr ? nullptr : shifted_by_head(image, worker);
    // What the residual hands back where the gradient is the same at all pixels.
    const float* const pixel_gradient = adds_pixel_gradient_ ? head_->pixel_gradients() + image * channels : nullptr;
    for (std::size_t first = 0; first < geometry.pixels; first += slab_pixels_) {
      const Slab slab{image, first, std::min(slab_pixels_, geometry.pixels - first)};
      normalise_input(slab, layout, pair_words, worker);
      head_ == nullptr ? gelu.from_tensor(gradient, slab) : gelu.from_pixel_gradient(shifted_c, slab);
      const bool begins = image == chunk.begin && first == 0;
      gradient_->run(worker.number, diff_dst, src, slab.pixels, chunk.dense, begins);
      weights_.backward(worker.diff_dst, slab.pixels, pixel_gradient, worker,
                        [&](const ProductTile& tile) { store_gradient(tile, slab, gradient, chunk); });
    }
  }
}

/// y of a slab: in rows into worker.src, or with `pair_words`, the number of a channel block, into worker.src_words.
template <class Storage>
void PointwiseStage<Storage>::normalise_input(const Slab& slab, const kernels::RowLayout& layout,
                                              std::size_t pair_words, Worker<Storage>& worker) const {
  for (std::size_t channel_block = 0; channel_block < context_.geometry.channel_blocks; ++channel_block) {
    const std::size_t channel = channel_block * kChannelBlock;
    const std::size_t offset = context_.geometry.offset(slab, channel_block);
    kernels::norm_forward(
        kernels::NormForward<Storage>{.value0 = state_.depthwise.value + offset,
                                      .scale0 = state_.depthwise.norm.scale() + channel,
                                      .value1 = state_.depthwise_residual ? state_.input_values() + offset : nullptr,
                                      .scale1 = state_.input_norm(channel_block).scale,
                                      .shift = state_.residual_shift + channel,
                                      .rows = slab.pixels,
                                      .dst = worker.src + channel_block * layout.block,
                                      .stride = layout.row,
                                      .words = pair_words > 0 ? worker.src_words + channel * pair_words : nullptr});
  }
}

/// A tile of dy, and what a residual hands back, with the sums for the norm of h.
template <class Storage>
void PointwiseStage<Storage>::store_gradient(const ProductTile& tile, const Slab& slab, Operand* gradient,
                                             const Chunk& chunk) const {
  for (std::size_t column = 0; column < tile.columns; column += kChannelBlock) {
    const std::size_t channel = tile.first_column + column;
    const std::size_t offset = context_.geometry.offset(slab, channel / kChannelBlock) + tile.first_row * kChannelBlock;
    kernels::gradient_sums(
        kernels::GradientSums<Storage>{.src = tile.values + column,
                                       .stride = tile.stride,
                                       .rows = tile.rows,
                                       .groups = 2,
                                       .residual = adds_gradient_ ? gradient + offset : nullptr,
                                       .value = state_.depthwise.value + offset,
                                       .mean = state_.depthwise.norm.mean() + channel,
                                       .dst = gradient + offset,
                                       .sums = {chunk.gradient_sum + channel, chunk.weighted_sum + channel}});
  }
}

/// The norm's coefficient c with the head's gradient, the same at all pixels of an image.
template <class Storage>
const float* PointwiseStage<Storage>::shifted_by_head(std::size_t image, Worker<Storage>& worker) const {
  const std::size_t channels = context_.geometry.padded_channels;
  const Norm& norm = state_.pointwise.norm;
  const float* const gradients = head_->pixel_gradients() + image * channels;
  for (std::size_t c = 0; c < channels; ++c) worker.coefficients[c] = norm.c()[c] + norm.a()[c] * gradients[c];
  return worker.coefficients;
}

template <class Storage>
void PointwiseStage<Storage>::reduce_forward(std::size_t channel_block, const ChunkSums& sums, bool update_statistics) {
  sums.finish_forward(state_.pointwise.norm, channel_block, update_statistics);
  if (state_.pointwise_residual) state_.set_output_shift(channel_block);
}

template <class Storage>
void PointwiseStage<Storage>::reduce_backward(std::size_t task, const ChunkSums& sums) {
  gradient_->reduce(task, sums);
  const std::size_t channel_block = task / gradient_->input_blocks();
  const bool first = task % gradient_->input_blocks() == 0;
  if (first) sums.finish_backward(state_.depthwise.norm, channel_block);
}

template <class Storage>
std::vector<ParameterId> PointwiseStage<Storage>::gradients() const {
  const Norm& norm = state_.depthwise.norm;
  return {convolution_.weight, convolution_.bias, norm.scale_parameter(), norm.shift_parameter()};
}

template class PointwiseStage<kernels::F32Storage>;
template class PointwiseStage<kernels::Bf16Storage>;

}  // namespace convmixer::fused
