#include "plan/fused/norm.hpp"

#include "kernels/fused/stage_storage.hpp"

#include <algorithm>
#include <cmath>
#include <span>

namespace convmixer::fused {

using kernels::kChannelBlock;

Norm::Norm(const ConvolutionStage& stage, Parameters& parameters)
    : norm_(stage.norm),
      parameters_(parameters),
      channels_(stage.out_channels),
      padded_(kernels::padded_channels(stage.out_channels)) {}

void Norm::add_memory(PlacedMemory& memory) {
  for (float** const vector : {&mean_, &scale_, &shift_, &b_, &c_}) memory.add(*vector, padded_);
  memory.add(inverse_deviation_, padded_);
}

/// `scale` and `shift` are the norm's parameters.
void Norm::set_coefficients(std::size_t channel, double mean, double variance, std::span<const float> scale,
                            std::span<const float> shift) {
  const double inverse = 1.0 / std::sqrt(variance + static_cast<double>(norm_.epsilon));
  const bool padding = channel >= channels_;
  const double gamma = padding ? 0.0 : static_cast<double>(scale[channel]);
  const double beta = padding ? 0.0 : static_cast<double>(shift[channel]);
  mean_[channel] = static_cast<float>(mean);
  inverse_deviation_[channel] = inverse;
  scale_[channel] = static_cast<float>(gamma * inverse);
  shift_[channel] = static_cast<float>(beta - gamma * inverse * mean);
}

void Norm::finish_forward(std::size_t channel_block, const double* mean, const double* square, double values,
                          bool update) {
  const std::size_t first = channel_block * kChannelBlock;
  if (norm_.frozen) {
    use_running_statistics(first, first + kChannelBlock);
    return;
  }
  const std::span<const float> scale = parameters_.value(norm_.scale);
  const std::span<const float> shift = parameters_.value(norm_.shift);
  for (std::size_t c = 0; c < kChannelBlock; ++c) {
    set_coefficients(first + c, mean[c], std::max(0.0, square[c] / values), scale, shift);
    if (update && first + c < channels_) move_statistics(first + c, square[c], values);
  }
}

/// By the batch's mean, in mean_, and its sum of squared distances from it.
void Norm::move_statistics(std::size_t channel, double square, double values) {
  float& running_mean = parameters_.statistic(norm_.running_mean)[channel];
  float& running_var = parameters_.statistic(norm_.running_var)[channel];
  const auto unbiased = static_cast<float>(std::max(0.0, square) / (values - 1.0));
  running_mean = (1.0F - norm_.momentum) * running_mean + norm_.momentum * mean_[channel];
  running_var = (1.0F - norm_.momentum) * running_var + norm_.momentum * unbiased;
}

void Norm::use_running_statistics() { use_running_statistics(0, padded_); }

void Norm::use_running_statistics(std::size_t first, std::size_t end) {
  const std::span<const float> mean = parameters_.statistic(norm_.running_mean);
  const std::span<const float> variance = parameters_.statistic(norm_.running_var);
  const std::span<const float> scale = parameters_.value(norm_.scale);
  const std::span<const float> shift = parameters_.value(norm_.shift);
  for (std::size_t c = first; c < end; ++c) {
    const bool padding = c >= channels_;
    set_coefficients(c, padding ? 0.0 : static_cast<double>(mean[c]), padding ? 1.0 : static_cast<double>(variance[c]),
                     scale, shift);
  }
}

void Norm::finish_backward(std::size_t channel_block, const double* gradient_sum, const double* weighted_sum,
                           std::size_t values) {
  const std::size_t first = channel_block * kChannelBlock;
  const auto n = static_cast<double>(values);
  const std::span<float> diff_scale = parameters_.gradient(norm_.scale);
  const std::span<float> diff_shift = parameters_.gradient(norm_.shift);
  for (std::size_t i = 0; i < kChannelBlock; ++i) {
    const std::size_t channel = first + i;
    const double inverse = inverse_deviation_[channel];
    const auto scale = static_cast<double>(scale_[channel]);
    // What depends on the batch through its mean and variance; a frozen norm's are given.
    const double b = norm_.frozen ? 0.0 : -scale * inverse * inverse * weighted_sum[i] / n;
    const double c = norm_.frozen ? 0.0 : -scale * gradient_sum[i] / n - b * static_cast<double>(mean_[channel]);
    b_[channel] = static_cast<float>(b);
    c_[channel] = static_cast<float>(c);
    if (channel >= channels_) continue;
    diff_scale[channel] = static_cast<float>(weighted_sum[i] * inverse);
    diff_shift[channel] = static_cast<float>(gradient_sum[i]);
  }
}

}  // namespace convmixer::fused
