#include "plan/fused/head_stage.hpp"

#include "core/summation_tree.hpp"
#include "kernels/fused/panel_packing.hpp"
#include "kernels/fused/panel_product.hpp"
#include "kernels/fused/stage_storage.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

namespace convmixer::fused {

using kernels::F32Storage;
using kernels::kChannelBlock;
using kernels::packed_panels_size;

HeadStage::HeadStage(const StageContext& context, const StageChain& chain)
    : context_(context),
      linear_(chain.head),
      classes_(chain.classes),
      padded_classes_(kernels::padded_channels(chain.classes)),
      has_residual_(chain.blocks.back().pointwise_residual) {}

void HeadStage::add_memory(PlacedMemory& memory) {
  const std::size_t batch = context_.geometry.batch;
  const std::size_t channels = context_.geometry.channels;
  const std::size_t padded = context_.geometry.padded_channels;
  memory.add(image_means_, batch * padded);
  if (has_residual_) memory.add(residual_means_, batch * padded);
  memory.add(pooled_, batch * padded);
  memory.add(logits_, batch * classes_);
  memory.add(bias_, padded_classes_);
  const std::size_t forward = packed_panels_size<F32Storage>(channels, classes_);
  const std::size_t backward = packed_panels_size<F32Storage>(classes_, channels);
  memory.add(packed_, context_.training ? std::max(forward, backward) : forward);
  if (!context_.training) {
    memory.add(panels_, batch * padded_classes_);
    return;
  }
  memory.add(panels_, batch * std::max(padded, padded_classes_));
  memory.add(diff_logits_, batch * padded_classes_);
  memory.add(diff_pooled_, batch * padded);
  memory.add(sums_, 2 * padded + classes_);
}

void HeadStage::set_image_mean(std::size_t image, const float* origin, const double* sum) {
  const std::size_t padded = context_.geometry.padded_channels;
  double* const mean = image_means_ + image * padded;
  for (std::size_t c = 0; c < padded; ++c) {
    mean[c] = static_cast<double>(origin[c]) + sum[c] / static_cast<double>(context_.geometry.pixels);
  }
}

void HeadStage::forward(const Norm& last) {
  pool_images(last);
  const std::size_t batch = context_.geometry.batch;
  const std::size_t channels = context_.geometry.channels;
  const std::span<const float> weight = context_.parameters.value(linear_.weight);
  const std::span<const float> bias = context_.parameters.value(linear_.bias);
  std::copy(bias.begin(), bias.end(), bias_);
  std::fill(bias_ + classes_, bias_ + padded_classes_, 0.0F);
  const std::size_t panel_size = packed_panels_size<F32Storage>(channels, kChannelBlock);
  const auto panels = static_cast<std::int64_t>(padded_classes_ / kChannelBlock);
  context_.pool.for_each_task(panels, [&](std::int64_t task, int /*worker*/) {
    const auto panel = static_cast<std::size_t>(task);
    const std::size_t first = panel * kChannelBlock;
    const std::size_t count = std::min(kChannelBlock, classes_ - first);
    float* const packed = packed_ + panel * panel_size;
    kernels::pack_panels<F32Storage>(weight.data() + first * channels, 1, channels, channels, count, packed,
                                     kernels::best_panel_layout());
    float* const dst = panels_ + panel * batch * kChannelBlock;
    kernels::multiply_rows<F32Storage>({.a = pooled_,
                                        .a_block = batch * kChannelBlock,
                                        .b = packed,
                                        .layout = kernels::best_panel_layout(),
                                        .rows = batch,
                                        .inner = channels,
                                        .columns = count,
                                        .bias = bias_ + first,
                                        .dst = dst});
    for (std::size_t image = 0; image < batch; ++image) {
      std::copy_n(dst + image * kChannelBlock, count, logits_ + image * classes_ + first);
    }
  });
}

void HeadStage::backward(const float* diff_logits, Norm& last) {
  bias_sums(diff_logits);
  const std::size_t blocks = context_.geometry.channel_blocks;
  context_.pool.for_each_task(static_cast<std::int64_t>(blocks), [&](std::int64_t task, int /*worker*/) {
    const auto channel_block = static_cast<std::size_t>(task);
    weight_gradient(channel_block);
    data_gradient(channel_block);
    norm_sums(channel_block, last);
  });
  if (context_.ranks != nullptr)
    context_.ranks->sum(std::span(sums_, 2 * context_.geometry.padded_channels + classes_));
  for (std::size_t channel_block = 0; channel_block < blocks; ++channel_block) norm_gradient(channel_block, last);
  bias_gradient();
}

void HeadStage::add_sums(GradientExchange& exchange, std::size_t step) const {
  exchange.add(step, context_.parameters.gradient(linear_.weight));
}

void HeadStage::pool_images(const Norm& last) {
  const std::size_t batch = context_.geometry.batch;
  const std::size_t padded = context_.geometry.padded_channels;
  for (std::size_t image = 0; image < batch; ++image) {
    for (std::size_t c = 0; c < padded; ++c) {
      double mean = static_cast<double>(last.scale()[c]) * image_means_[image * padded + c] +
                    static_cast<double>(last.shift()[c]);
      if (has_residual_) mean += residual_means_[image * padded + c];
      pooled_[(c / kChannelBlock * batch + image) * kChannelBlock + c % kChannelBlock] = static_cast<float>(mean);
    }
  }
}

/// Also puts the logits' gradient into blocks of classes.
void HeadStage::bias_sums(const float* diff_logits) {
  const std::size_t batch = context_.geometry.batch;
  const BatchChunks& chunks = context_.chunks;
  double* const of_biases = sums_ + 2 * context_.geometry.padded_channels;
  std::fill_n(diff_logits_, batch * padded_classes_, 0.0F);
  for (std::size_t k = 0; k < classes_; ++k) {
    std::array<double, kMostPartialSums> sums{};
    const auto sum_of_chunk = [&](std::size_t chunk, std::size_t slot) {
      sums[slot] = 0.0;
      for (std::size_t image = chunks.begin(chunk); image < chunks.end(chunk); ++image) {
        const float gradient = diff_logits[image * classes_ + k];
        sums[slot] += static_cast<double>(gradient);
        diff_logits_[(k / kChannelBlock * batch + image) * kChannelBlock + k % kChannelBlock] = gradient;
      }
    };
    add_up_tree(chunks.count(), sum_of_chunk, [&](std::size_t slot) { sums[slot] += sums[slot + 1]; });
    of_biases[k] = sums[0];
  }
}

void HeadStage::bias_gradient() const {
  const std::span<float> diff_bias = context_.parameters.gradient(linear_.bias);
  const double* const of_biases = sums_ + 2 * context_.geometry.padded_channels;
  for (std::size_t k = 0; k < classes_; ++k) diff_bias[k] = static_cast<float>(of_biases[k]);
}

/// dW (classes x C) = dlogits' (classes x N) pooled (N x C).
void HeadStage::weight_gradient(std::size_t channel_block) const {
  using Panel = std::array<float, kChannelBlock * kChannelBlock>;
  const std::size_t batch = context_.geometry.batch;
  const std::size_t channels = context_.geometry.channels;
  const BatchChunks& chunks = context_.chunks;
  const std::span<float> diff_weight = context_.parameters.gradient(linear_.weight);
  const std::size_t first = channel_block * kChannelBlock;
  const std::size_t count = std::min(kChannelBlock, channels - first);
  alignas(64) std::array<Panel, kMostPartialSums> sums;
  for (std::size_t k = 0; k < classes_; k += kChannelBlock) {
    const auto product_of_chunk = [&](std::size_t chunk, std::size_t slot) {
      kernels::multiply_columns<F32Storage>({.a = diff_logits_ + k * batch + chunks.begin(chunk) * kChannelBlock,
                                             .b = pooled_ + first * batch + chunks.begin(chunk) * kChannelBlock,
                                             .words = chunks.size(chunk),
                                             .accumulate = false,
                                             .dst = sums[slot].data()});
    };
    const auto merge = [&](std::size_t slot) {
      for (std::size_t i = 0; i < sums[slot].size(); ++i) sums[slot][i] += sums[slot + 1][i];
    };
    add_up_tree(chunks.count(), product_of_chunk, merge);
    for (std::size_t row = k; row < std::min(k + kChannelBlock, classes_); ++row) {
      std::copy_n(sums[0].data() + (row - k) * kChannelBlock, count, diff_weight.data() + row * channels + first);
    }
  }
}

/// dpooled (N x C) = dlogits (N x classes) W (classes x C).
void HeadStage::data_gradient(std::size_t channel_block) {
  const std::size_t batch = context_.geometry.batch;
  const std::size_t channels = context_.geometry.channels;
  const std::size_t padded = context_.geometry.padded_channels;
  const std::span<const float> weight = context_.parameters.value(linear_.weight);
  const std::size_t first = channel_block * kChannelBlock;
  float* const packed = packed_ + channel_block * packed_panels_size<F32Storage>(classes_, kChannelBlock);
  kernels::pack_panels<F32Storage>(weight.data() + first, channels, 1, classes_,
                                   std::min(kChannelBlock, channels - first), packed, kernels::best_panel_layout());
  float* const dst = panels_ + first * batch;
  kernels::multiply_rows<F32Storage>({.a = diff_logits_,
                                      .a_block = batch * kChannelBlock,
                                      .b = packed,
                                      .layout = kernels::best_panel_layout(),
                                      .rows = batch,
                                      .inner = classes_,
                                      .bias = nullptr,
                                      .dst = dst});
  for (std::size_t image = 0; image < batch; ++image) {
    std::copy_n(dst + image * kChannelBlock, kChannelBlock, diff_pooled_ + image * padded + first);
  }
}

/// Over an image's P pixels the gradient is dpooled / P: the norm's sums need the image's mean alone.
void HeadStage::norm_sums(std::size_t channel_block, const Norm& last) {
  struct Sums {
    std::array<double, kChannelBlock> gradient;
    std::array<double, kChannelBlock> weighted;
  };
  const StageGeometry& geometry = context_.geometry;
  const BatchChunks& chunks = context_.chunks;
  const std::size_t first = channel_block * kChannelBlock;
  std::array<Sums, kMostPartialSums> sums;
  const auto sums_of_chunk = [&](std::size_t chunk, std::size_t slot) {
    sums[slot] = {};
    for (std::size_t image = chunks.begin(chunk); image < chunks.end(chunk); ++image) {
      float* const gradients = diff_pooled_ + image * geometry.padded_channels + first;
      const double* const means = image_means_ + image * geometry.padded_channels + first;
      for (std::size_t c = 0; c < kChannelBlock; ++c) {
        const auto gradient = static_cast<double>(gradients[c]);
        sums[slot].gradient[c] += gradient;
        sums[slot].weighted[c] += gradient * (means[c] - static_cast<double>(last.mean()[first + c]));
        gradients[c] /= static_cast<float>(geometry.pixels);
      }
    }
  };
  const auto merge = [&](std::size_t slot) {
    for (std::size_t c = 0; c < kChannelBlock; ++c) {
      sums[slot].gradient[c] += sums[slot + 1].gradient[c];
      sums[slot].weighted[c] += sums[slot + 1].weighted[c];
    }
  };
  add_up_tree(chunks.count(), sums_of_chunk, merge);
  std::ranges::copy(sums[0].gradient, sums_ + first);
  std::ranges::copy(sums[0].weighted, sums_ + geometry.padded_channels + first);
}

void HeadStage::norm_gradient(std::size_t channel_block, Norm& last) const {
  const double* const sums = sums_ + channel_block * kChannelBlock;
  last.finish_backward(channel_block, sums, sums + context_.geometry.padded_channels, context_.norm_values());
}

std::vector<ParameterId> HeadStage::gradients(const Norm& last) const {
  return {linear_.weight, linear_.bias, last.scale_parameter(), last.shift_parameter()};
}

}  // namespace convmixer::fused
