#include "plan/fused/fused_head.hpp"

#include "kernels/fused/panel_product.hpp"
#include "kernels/fused/stage_storage.hpp"

#include <algorithm>

namespace convmixer {

using kernels::F32Storage;
using kernels::kChannelBlock;
using kernels::packed_panels_size;

FusedHead::FusedHead(const StageChain& chain, Parameters& parameters, ThreadPool& pool, std::size_t batch,
                     bool training)
    : chain_(chain),
      parameters_(parameters),
      pool_(pool),
      batch_(batch),
      channels_(chain.stem.out_channels),
      padded_(kernels::padded_channels(channels_)),
      padded_classes_(kernels::padded_channels(chain.classes)),
      training_(training) {}

void FusedHead::add_memory(PlacedMemory& memory) {
  memory.add(image_means_, batch_ * padded_);
  memory.add(pooled_, batch_ * padded_);
  memory.add(logits_, batch_ * chain_.classes);
  memory.add(bias_, padded_classes_);
  const std::size_t forward = packed_panels_size<F32Storage>(channels_, chain_.classes);
  const std::size_t backward = packed_panels_size<F32Storage>(chain_.classes, channels_);
  memory.add(packed_, training_ ? std::max(forward, backward) : forward);
  if (!training_) {
    memory.add(panels_, batch_ * padded_classes_);
    return;
  }
  memory.add(panels_, std::max(batch_ * std::max(padded_, padded_classes_), padded_ * padded_classes_));
  memory.add(diff_logits_, batch_ * padded_classes_);
  memory.add(diff_pooled_, batch_ * padded_);
  memory.add(sums_, 2 * padded_);
}

void FusedHead::forward(const FusedNorm& last) {
  for (std::size_t image = 0; image < batch_; ++image) {
    for (std::size_t c = 0; c < padded_; ++c) {
      pooled_[(c / kChannelBlock * batch_ + image) * kChannelBlock + c % kChannelBlock] =
          static_cast<float>(static_cast<double>(last.scale()[c]) * image_means_[image * padded_ + c] +
                             static_cast<double>(last.shift()[c]));
    }
  }
  const std::span<const float> weight = parameters_.value(chain_.head.weight);
  const std::span<const float> bias = parameters_.value(chain_.head.bias);
  std::copy(bias.begin(), bias.end(), bias_);
  std::fill(bias_ + chain_.classes, bias_ + padded_classes_, 0.0F);
  const std::size_t panel_size = packed_panels_size<F32Storage>(channels_, kChannelBlock);
  pool_.for_each_task(
      static_cast<std::int64_t>(padded_classes_ / kChannelBlock), [&](std::int64_t task, int /*worker*/) {
        const auto panel = static_cast<std::size_t>(task);
        const std::size_t first = panel * kChannelBlock;
        const std::size_t count = std::min(kChannelBlock, chain_.classes - first);
        float* const packed = packed_ + panel * panel_size;
        kernels::pack_panels<F32Storage>(weight.data() + first * channels_, 1, channels_, channels_, count, packed);
        float* const dst = panels_ + panel * batch_ * kChannelBlock;
        kernels::multiply_rows<F32Storage>({.a = pooled_,
                                            .a_block = batch_ * kChannelBlock,
                                            .b = packed,
                                            .rows = batch_,
                                            .inner = channels_,
                                            .bias = bias_ + first,
                                            .dst = dst});
        for (std::size_t image = 0; image < batch_; ++image) {
          std::copy_n(dst + image * kChannelBlock, count, logits_ + image * chain_.classes + first);
        }
      });
}

void FusedHead::backward(const float* diff_logits, FusedNorm& last) {
  const std::span<float> diff_bias = parameters_.gradient(chain_.head.bias);
  std::fill_n(diff_logits_, batch_ * padded_classes_, 0.0F);
  for (std::size_t k = 0; k < chain_.classes; ++k) {
    double sum = 0.0;
    for (std::size_t image = 0; image < batch_; ++image) {
      const float gradient = diff_logits[image * chain_.classes + k];
      sum += static_cast<double>(gradient);
      diff_logits_[(k / kChannelBlock * batch_ + image) * kChannelBlock + k % kChannelBlock] = gradient;
    }
    diff_bias[k] = static_cast<float>(sum);
  }
  weight_gradient();
  data_gradient();

  // Over an image's P pixels the gradient is diff_pooled / P: the sums need the image's mean alone.
  const std::size_t pixels = chain_.height * chain_.width;
  std::fill_n(sums_, 2 * padded_, 0.0);
  for (std::size_t image = 0; image < batch_; ++image) {
    for (std::size_t c = 0; c < padded_; ++c) {
      const auto gradient = static_cast<double>(diff_pooled_[image * padded_ + c]);
      sums_[c] += gradient;
      sums_[padded_ + c] += gradient * (image_means_[image * padded_ + c] - static_cast<double>(last.mean()[c]));
    }
  }
  for (std::size_t i = 0; i < batch_ * padded_; ++i) diff_pooled_[i] /= static_cast<float>(pixels);
  last.finish_backward(sums_, sums_ + padded_, 1, batch_ * pixels);
}

/// (K x C) = diff_logits' (K x N) pooled (N x C).
void FusedHead::weight_gradient() const {
  const std::span<float> diff_weight = parameters_.gradient(chain_.head.weight);
  pool_.for_each_task(static_cast<std::int64_t>(padded_ / kChannelBlock), [&](std::int64_t task, int /*worker*/) {
    const std::size_t first = static_cast<std::size_t>(task) * kChannelBlock;
    const std::size_t count = std::min(kChannelBlock, channels_ - first);
    for (std::size_t k = 0; k < chain_.classes; k += kChannelBlock) {
      float* const dst = panels_ + first * padded_classes_ + k * kChannelBlock;
      kernels::multiply_columns<F32Storage>({.a = diff_logits_ + k * batch_,
                                             .b = pooled_ + first * batch_,
                                             .words = batch_,
                                             .accumulate = false,
                                             .dst = dst});
      for (std::size_t row = k; row < std::min(k + kChannelBlock, chain_.classes); ++row) {
        std::copy_n(dst + (row - k) * kChannelBlock, count, diff_weight.data() + row * channels_ + first);
      }
    }
  });
}

/// (N x C) = diff_logits (N x K) weight (K x C).
void FusedHead::data_gradient() {
  const std::span<const float> weight = parameters_.value(chain_.head.weight);
  const std::size_t panel_size = packed_panels_size<F32Storage>(chain_.classes, kChannelBlock);
  pool_.for_each_task(static_cast<std::int64_t>(padded_ / kChannelBlock), [&](std::int64_t task, int /*worker*/) {
    const auto panel = static_cast<std::size_t>(task);
    const std::size_t first = panel * kChannelBlock;
    float* const packed = packed_ + panel * panel_size;
    kernels::pack_panels<F32Storage>(weight.data() + first, channels_, 1, chain_.classes,
                                     std::min(kChannelBlock, channels_ - first), packed);
    float* const dst = panels_ + panel * batch_ * kChannelBlock;
    kernels::multiply_rows<F32Storage>({.a = diff_logits_,
                                        .a_block = batch_ * kChannelBlock,
                                        .b = packed,
                                        .rows = batch_,
                                        .inner = chain_.classes,
                                        .bias = nullptr,
                                        .dst = dst});
    for (std::size_t image = 0; image < batch_; ++image) {
      std::copy_n(dst + image * kChannelBlock, kChannelBlock, diff_pooled_ + image * padded_ + first);
    }
  });
}

}  // namespace convmixer
