#include "plan/fused_head.hpp"

#include "kernels/stage_storage.hpp"

#include <algorithm>

namespace convmixer {

namespace {

std::int64_t as_signed(std::size_t value) { return static_cast<std::int64_t>(value); }

}  // namespace

FusedHead::FusedHead(const StageChain& chain, Parameters& parameters, kernels::Runtime& runtime, std::size_t batch,
                     bool training)
    : chain_(chain),
      parameters_(parameters),
      runtime_(runtime),
      batch_(batch),
      channels_(chain.stem.out_channels),
      padded_(kernels::padded_channels(channels_)),
      training_(training),
      forward_(runtime, {.rows = as_signed(batch),
                         .columns = as_signed(chain.classes),
                         .inner = as_signed(channels_),
                         .type = kernels::ElementType::f32,
                         .a_stride = as_signed(padded_),
                         .dst_stride = as_signed(chain.classes),
                         .bias = true}) {
  if (!training) return;
  backward_data_ = {runtime,
                    {.rows = as_signed(batch),
                     .columns = as_signed(channels_),
                     .inner = as_signed(chain.classes),
                     .type = kernels::ElementType::f32,
                     .a_stride = as_signed(chain.classes),
                     .b_stride = as_signed(channels_),
                     .dst_stride = as_signed(padded_)}};
  backward_weights_ = {runtime,
                       {.rows = as_signed(chain.classes),
                        .columns = as_signed(channels_),
                        .inner = as_signed(batch),
                        .type = kernels::ElementType::f32,
                        .a_stride = as_signed(chain.classes),
                        .transposed_a = true,
                        .b_stride = as_signed(padded_),
                        .dst_stride = as_signed(channels_)}};
}

void FusedHead::add_memory(PlacedMemory& memory) {
  memory.add(image_means_, batch_ * padded_);
  memory.add(pooled_, batch_ * padded_);
  memory.add(logits_, batch_ * chain_.classes);
  memory.add(packed_, forward_.packed().bytes());
  if (!training_) return;
  memory.add(diff_pooled_, batch_ * padded_);
  memory.add(sums_, 2 * padded_);
}

std::size_t FusedHead::scratchpad_bytes() const {
  if (!training_) return forward_.scratchpad_bytes();
  return std::max(
      {forward_.scratchpad_bytes(), backward_data_.scratchpad_bytes(), backward_weights_.scratchpad_bytes()});
}

void FusedHead::prepare(void* scratchpad) {
  products_.emplace_back(runtime_, forward_, scratchpad);
  packings_.emplace_back(runtime_, forward_, parameters_.value(chain_.head.weight).data(), 1, as_signed(channels_),
                         packed_);
  if (!training_) return;
  products_.emplace_back(runtime_, backward_data_, scratchpad);
  products_.emplace_back(runtime_, backward_weights_, scratchpad);
}

void FusedHead::forward(const FusedNorm& last) {
  const kernels::OneThread one_thread(runtime_);
  for (std::size_t image = 0; image < batch_; ++image) {
    for (std::size_t c = 0; c < channels_; ++c) {
      pooled_[image * padded_ + c] =
          static_cast<float>(static_cast<double>(last.scale()[c]) * image_means_[image * padded_ + c] +
                             static_cast<double>(last.shift()[c]));
    }
  }
  packings_.front().run();
  products_[0].run(pooled_, packed_, parameters_.value(chain_.head.bias).data(), logits_);
}

void FusedHead::backward(const float* diff_logits, FusedNorm& last) {
  const kernels::OneThread one_thread(runtime_);
  const std::span<float> diff_bias = parameters_.gradient(chain_.head.bias);
  for (std::size_t k = 0; k < chain_.classes; ++k) {
    double sum = 0.0;
    for (std::size_t image = 0; image < batch_; ++image) {
      sum += static_cast<double>(diff_logits[image * chain_.classes + k]);
    }
    diff_bias[k] = static_cast<float>(sum);
  }
  products_[2].run(diff_logits, pooled_, nullptr, parameters_.gradient(chain_.head.weight).data());
  std::fill_n(diff_pooled_, batch_ * padded_, 0.0F);
  products_[1].run(diff_logits, parameters_.value(chain_.head.weight).data(), nullptr, diff_pooled_);

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

}  // namespace convmixer
