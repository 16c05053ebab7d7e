#include "plan/fused/head_stage.hpp"

#include "kernels/fused/panel_product.hpp"
#include "kernels/fused/stage_storage.hpp"

#include <algorithm>
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
      padded_classes_(kernels::padded_channels(chain.classes)) {}

void HeadStage::add_memory(PlacedMemory& memory) {
  const std::size_t batch = context_.geometry.batch;
  const std::size_t channels = context_.geometry.channels;
  const std::size_t padded = context_.geometry.padded_channels;
  memory.add(image_means_, batch * padded);
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
  memory.add(panels_, std::max(batch * std::max(padded, padded_classes_), padded * padded_classes_));
  memory.add(diff_logits_, batch * padded_classes_);
  memory.add(diff_pooled_, batch * padded);
  memory.add(sums_, 2 * padded);
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
    kernels::pack_panels<F32Storage>(weight.data() + first * channels, 1, channels, channels, count, packed);
    float* const dst = panels_ + panel * batch * kChannelBlock;
    kernels::multiply_rows<F32Storage>({.a = pooled_,
                                        .a_block = batch * kChannelBlock,
                                        .b = packed,
                                        .rows = batch,
                                        .inner = channels,
                                        .bias = bias_ + first,
                                        .dst = dst});
    for (std::size_t image = 0; image < batch; ++image) {
      std::copy_n(dst + image * kChannelBlock, count, logits_ + image * classes_ + first);
    }
  });
}

void HeadStage::backward(const float* diff_logits, Norm& last) {
  bias_gradient(diff_logits);
  weight_gradient();
  data_gradient();
  norm_gradient(last);
}

void HeadStage::pool_images(const Norm& last) {
  const std::size_t batch = context_.geometry.batch;
  const std::size_t padded = context_.geometry.padded_channels;
  for (std::size_t image = 0; image < batch; ++image) {
    for (std::size_t c = 0; c < padded; ++c) {
      pooled_[(c / kChannelBlock * batch + image) * kChannelBlock + c % kChannelBlock] =
          static_cast<float>(static_cast<double>(last.scale()[c]) * image_means_[image * padded + c] +
                             static_cast<double>(last.shift()[c]));
    }
  }
}

/// Also puts the logits' gradient into blocks of classes.
void HeadStage::bias_gradient(const float* diff_logits) {
  const std::size_t batch = context_.geometry.batch;
  const std::span<float> diff_bias = context_.parameters.gradient(linear_.bias);
  std::fill_n(diff_logits_, batch * padded_classes_, 0.0F);
  for (std::size_t k = 0; k < classes_; ++k) {
    double sum = 0.0;
    for (std::size_t image = 0; image < batch; ++image) {
      const float gradient = diff_logits[image * classes_ + k];
      sum += static_cast<double>(gradient);
      diff_logits_[(k / kChannelBlock * batch + image) * kChannelBlock + k % kChannelBlock] = gradient;
    }
    diff_bias[k] = static_cast<float>(sum);
  }
}

/// dW (classes x C) = dlogits' (classes x N) pooled (N x C).
void HeadStage::weight_gradient() const {
  const std::size_t batch = context_.geometry.batch;
  const std::size_t channels = context_.geometry.channels;
  const std::span<float> diff_weight = context_.parameters.gradient(linear_.weight);
  const auto blocks = static_cast<std::int64_t>(context_.geometry.channel_blocks);
  context_.pool.for_each_task(blocks, [&](std::int64_t task, int /*worker*/) {
    const std::size_t first = static_cast<std::size_t>(task) * kChannelBlock;
    const std::size_t count = std::min(kChannelBlock, channels - first);
    for (std::size_t k = 0; k < classes_; k += kChannelBlock) {
      float* const dst = panels_ + first * padded_classes_ + k * kChannelBlock;
      kernels::multiply_columns<F32Storage>({.a = diff_logits_ + k * batch,
                                             .b = pooled_ + first * batch,
                                             .words = batch,
                                             .accumulate = false,
                                             .dst = dst});
      for (std::size_t row = k; row < std::min(k + kChannelBlock, classes_); ++row) {
        std::copy_n(dst + (row - k) * kChannelBlock, count, diff_weight.data() + row * channels + first);
      }
    }
  });
}

/// dpooled (N x C) = dlogits (N x classes) W (classes x C).
void HeadStage::data_gradient() {
  const std::size_t batch = context_.geometry.batch;
  const std::size_t channels = context_.geometry.channels;
  const std::size_t padded = context_.geometry.padded_channels;
  const std::span<const float> weight = context_.parameters.value(linear_.weight);
  const std::size_t panel_size = packed_panels_size<F32Storage>(classes_, kChannelBlock);
  const auto blocks = static_cast<std::int64_t>(context_.geometry.channel_blocks);
  context_.pool.for_each_task(blocks, [&](std::int64_t task, int /*worker*/) {
    const auto panel = static_cast<std::size_t>(task);
    const std::size_t first = panel * kChannelBlock;
    float* const packed = packed_ + panel * panel_size;
    kernels::pack_panels<F32Storage>(weight.data() + first, channels, 1, classes_,
                                     std::min(kChannelBlock, channels - first), packed);
    float* const dst = panels_ + panel * batch * kChannelBlock;
    kernels::multiply_rows<F32Storage>({.a = diff_logits_,
                                        .a_block = batch * kChannelBlock,
                                        .b = packed,
                                        .rows = batch,
                                        .inner = classes_,
                                        .bias = nullptr,
                                        .dst = dst});
    for (std::size_t image = 0; image < batch; ++image) {
      std::copy_n(dst + image * kChannelBlock, kChannelBlock, diff_pooled_ + image * padded + first);
    }
  });
}

/// Over an image's P pixels the gradient is dpooled / P: the norm's sums need the image's mean alone.
void HeadStage::norm_gradient(Norm& last) {
  const StageGeometry& geometry = context_.geometry;
  const std::size_t padded = geometry.padded_channels;
  std::fill_n(sums_, 2 * padded, 0.0);
  for (std::size_t image = 0; image < geometry.batch; ++image) {
    for (std::size_t c = 0; c < padded; ++c) {
      const auto gradient = static_cast<double>(diff_pooled_[image * padded + c]);
      sums_[c] += gradient;
      sums_[padded + c] += gradient * (image_means_[image * padded + c] - static_cast<double>(last.mean()[c]));
    }
  }
  for (std::size_t i = 0; i < geometry.batch * padded; ++i) diff_pooled_[i] /= static_cast<float>(geometry.pixels);
  for (std::size_t channel_block = 0; channel_block < geometry.channel_blocks; ++channel_block) {
    last.finish_backward(channel_block, {.gradient_sum = sums_,
                                         .weighted_sum = sums_ + padded,
                                         .chunks = 1,
                                         .stride = padded,
                                         .values = geometry.batch * geometry.pixels});
  }
}

std::vector<ParameterId> HeadStage::gradients(const Norm& last) const {
  return {linear_.weight, linear_.bias, last.scale_parameter(), last.shift_parameter()};
}

}  // namespace convmixer::fused
