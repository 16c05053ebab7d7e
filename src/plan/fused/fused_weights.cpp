#include "plan/fused/fused_weights.hpp"

#include <algorithm>

namespace convmixer {

using kernels::ElementType;

FusedWeights::FusedWeights(const StageChain& chain, Parameters& parameters, kernels::Runtime& runtime, ElementType type,
                           ProductKernels products, std::size_t slab, bool training)
    : chain_(chain),
      parameters_(parameters),
      runtime_(runtime),
      type_(type),
      training_(training),
      channels_(chain.stem.out_channels),
      padded_(kernels::padded_channels(channels_)),
      patches_{.channels = static_cast<std::size_t>(chain.image[0]),
               .height = static_cast<std::size_t>(chain.image[1]),
               .width = static_cast<std::size_t>(chain.image[2]),
               .kernel = static_cast<std::size_t>(chain.stem.convolution.kernel),
               .stride = static_cast<std::size_t>(chain.stem.convolution.stride),
               .padding_begin = static_cast<std::size_t>(chain.stem.convolution.padding_begin),
               .out_height = chain.height,
               .out_width = chain.width} {
  const std::size_t pixels = chain.height * chain.width;
  for (std::size_t i = 0; i <= chain.blocks.size(); ++i) {
    const std::size_t inner = i == 0 ? patches_.columns() : padded_;
    Dense dense;
    const TiledProductProblem problem{.rows = pixels, .columns = padded_, .inner = inner, .type = type, .bias = true};
    dense.forward = std::make_unique<TiledProduct>(runtime, problem, products);
    if (training && i > 0) {
      TiledProductProblem backward = problem;
      backward.rows = slab;
      backward.bias = false;
      dense.backward = std::make_unique<TiledProduct>(runtime, backward, products);
    }
    dense_.push_back(std::move(dense));
  }
  depthwise_.resize(chain.blocks.size());
}

const ConvolutionStage& FusedWeights::stage(std::size_t dense) const {
  return dense == 0 ? chain_.stem : chain_.blocks[dense - 1].pointwise;
}

kernels::DepthwiseGeometry FusedWeights::geometry(std::size_t block) const {
  const Convolution& convolution = chain_.blocks[block].depthwise.convolution;
  return {.height = chain_.height,
          .width = chain_.width,
          .kernel = static_cast<std::size_t>(convolution.kernel),
          .padding_begin = static_cast<std::size_t>(convolution.padding_begin)};
}

std::size_t FusedWeights::depthwise_scratch_floats() const {
  std::size_t most = 0;
  for (std::size_t block = 0; block < depthwise_.size(); ++block) {
    most = std::max(most, kernels::DepthwiseScratch::floats(geometry(block)));
  }
  return most;
}

std::size_t FusedWeights::depthwise_words(std::size_t block) const {
  const std::size_t kernel = geometry(block).kernel;
  return padded_ / kernels::kChannelBlock *
         (type_ == ElementType::bf16 ? kernels::packed_depthwise_size<kernels::Bf16Storage>(kernel)
                                     : kernels::packed_depthwise_size<kernels::F32Storage>(kernel));
}

void FusedWeights::add_memory(PlacedMemory& memory) {
  for (std::size_t i = 0; i < dense_.size(); ++i) {
    Dense& dense = dense_[i];
    memory.add(dense.packed, dense.forward->packed_bytes());
    if (dense.backward) memory.add(dense.packed_backward, dense.backward->packed_bytes());
    memory.add(dense.bias, padded_);
    if (channels_ != padded_) memory.add(dense.padded, padded_ * (i == 0 ? patches_.columns() : padded_));
  }
  for (std::size_t block = 0; block < depthwise_.size(); ++block) {
    memory.add(depthwise_[block].filters, depthwise_words(block));
    if (training_) memory.add(depthwise_[block].flipped, depthwise_words(block));
    memory.add(depthwise_[block].bias, padded_);
  }
}

std::size_t FusedWeights::scratchpad_bytes() const {
  std::size_t most = 0;
  for (const Dense& dense : dense_) {
    most = std::max(most, dense.forward->scratchpad_bytes());
    if (dense.backward) most = std::max(most, dense.backward->scratchpad_bytes());
  }
  return most;
}

void FusedWeights::prepare() {
  for (std::size_t i = 0; i < dense_.size(); ++i) {
    const Dense& dense = dense_[i];
    const float* const weights =
        dense.padded != nullptr ? dense.padded : parameters_.value(stage(i).convolution.weight).data();
    const std::size_t inner = i == 0 ? patches_.columns() : padded_;
    // Forward multiplies by the transpose of (O, I), the data gradient by (O, I) itself.
    dense.forward->add_packings(runtime_, weights, 1, inner, dense.packed, packings_);
    if (dense.backward) dense.backward->add_packings(runtime_, weights, inner, 1, dense.packed_backward, packings_);
  }
}

void FusedWeights::refresh(ThreadPool& pool) {
  if (channels_ != padded_) {
    for (std::size_t i = 0; i < dense_.size(); ++i) refresh_padded(i);
  }
  const std::size_t count = packings_.size() + depthwise_.size() + 1;
  pool.for_each_task(static_cast<std::int64_t>(count), [this](std::int64_t task, int /*worker*/) {
    const auto index = static_cast<std::size_t>(task);
    if (index < packings_.size()) {
      const kernels::OneThread one_thread(runtime_);
      packings_[index]();
    } else if (index - packings_.size() < depthwise_.size()) {
      refresh_depthwise(index - packings_.size());
    } else {
      for (std::size_t i = 0; i < dense_.size(); ++i) copy_bias(stage(i), dense_[i].bias);
    }
  });
}

void FusedWeights::refresh_padded(std::size_t dense) {
  const std::span<const float> weights = parameters_.value(stage(dense).convolution.weight);
  const std::size_t inner = dense == 0 ? patches_.columns() : channels_;
  const std::size_t padded_inner = dense == 0 ? patches_.columns() : padded_;
  float* const to = dense_[dense].padded;
  std::fill_n(to, padded_ * padded_inner, 0.0F);
  for (std::size_t o = 0; o < channels_; ++o) {
    std::copy_n(weights.data() + o * inner, inner, to + o * padded_inner);
  }
}

void FusedWeights::refresh_depthwise(std::size_t block) {
  const ConvolutionStage& stage = chain_.blocks[block].depthwise;
  const Depthwise& depthwise = depthwise_[block];
  const std::size_t kernel = geometry(block).kernel;
  const std::size_t words = depthwise_words(block);
  const std::span<const float> weights = parameters_.value(stage.convolution.weight);
  const auto pack = type_ == ElementType::bf16 ? kernels::pack_depthwise<kernels::Bf16Storage>
                                               : kernels::pack_depthwise<kernels::F32Storage>;
  pack(weights, channels_, kernel, false, {depthwise.filters, words});
  if (training_) pack(weights, channels_, kernel, true, {depthwise.flipped, words});
  copy_bias(stage, depthwise.bias);
}

void FusedWeights::copy_bias(const ConvolutionStage& stage, float* bias) const {
  const std::span<const float> from = parameters_.value(stage.convolution.bias);
  std::copy_n(from.data(), channels_, bias);
  std::fill_n(bias + channels_, padded_ - channels_, 0.0F);
}

}  // namespace convmixer
