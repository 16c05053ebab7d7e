#include "plan/fused_norm.hpp"

#include "kernels/stage_storage.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace convmixer {

FusedNorm::FusedNorm(const ConvolutionStage& stage, Parameters& parameters)
    : norm_(stage.norm),
      parameters_(parameters),
      channels_(stage.out_channels),
      padded_(kernels::padded_channels(stage.out_channels)) {}

void FusedNorm::add_memory(PlacedMemory& memory) {
  for (float** const vector : {&mean_, &scale_, &shift_, &b_, &c_}) memory.add(*vector, padded_);
  memory.add(inverse_deviation_, padded_);
  memory.add(work_, 3 * padded_);
}

void FusedNorm::set_coefficients(std::size_t channel, double mean, double variance) {
  const double inverse = 1.0 / std::sqrt(variance + static_cast<double>(norm_.epsilon));
  const bool padding = channel >= channels_;
  const double gamma = padding ? 0.0 : static_cast<double>(parameters_.value(norm_.scale)[channel]);
  const double beta = padding ? 0.0 : static_cast<double>(parameters_.value(norm_.shift)[channel]);
  mean_[channel] = static_cast<float>(mean);
  inverse_deviation_[channel] = inverse;
  scale_[channel] = static_cast<float>(gamma * inverse);
  shift_[channel] = static_cast<float>(beta - gamma * inverse * mean);
}

void FusedNorm::finish_forward(const ChunkMoments& moments, std::span<const std::size_t> values, bool update) {
  const std::size_t chunks = values.size();
  const auto all = static_cast<double>(std::accumulate(values.begin(), values.end(), std::size_t{0}));
  // Loops over the channels innermost: they run through vectors.
  double* const mean = work_;
  double* const square = work_ + padded_;
  double* const shifted = work_ + 2 * padded_;
  std::fill_n(mean, 2 * padded_, 0.0);
  for (std::size_t chunk = 0; chunk < chunks; ++chunk) {
    const auto n = static_cast<double>(values[chunk]);
    const float* const origin = moments.origin + chunk * padded_;
    const double* const sum = moments.sum + chunk * padded_;
    for (std::size_t c = 0; c < padded_; ++c) mean[c] += n * static_cast<double>(origin[c]) + sum[c];
  }
  for (std::size_t c = 0; c < padded_; ++c) mean[c] /= all;
  for (std::size_t chunk = 0; chunk < chunks; ++chunk) {
    // sum (x - mean)^2 = sum (x - origin)^2 - 2 d sum (x - origin) + n d^2, d = mean - origin
    const auto n = static_cast<double>(values[chunk]);
    const float* const origin = moments.origin + chunk * padded_;
    const double* const sum = moments.sum + chunk * padded_;
    const double* const squares = moments.square + chunk * padded_;
    for (std::size_t c = 0; c < padded_; ++c) shifted[c] = mean[c] - static_cast<double>(origin[c]);
    for (std::size_t c = 0; c < padded_; ++c) {
      square[c] += squares[c] + shifted[c] * (n * shifted[c] - 2.0 * sum[c]);
    }
  }
  for (std::size_t c = 0; c < padded_; ++c) set_coefficients(c, mean[c], std::max(0.0, square[c] / all));
  if (!update) return;
  const std::span<float> running_mean = parameters_.statistic(norm_.running_mean);
  const std::span<float> running_var = parameters_.statistic(norm_.running_var);
  for (std::size_t c = 0; c < channels_; ++c) {
    const auto unbiased = static_cast<float>(std::max(0.0, square[c]) / (all - 1.0));
    running_mean[c] = (1.0F - norm_.momentum) * running_mean[c] + norm_.momentum * mean_[c];
    running_var[c] = (1.0F - norm_.momentum) * running_var[c] + norm_.momentum * unbiased;
  }
}

void FusedNorm::use_running_statistics() {
  const std::span<const float> mean = parameters_.statistic(norm_.running_mean);
  const std::span<const float> variance = parameters_.statistic(norm_.running_var);
  for (std::size_t c = 0; c < padded_; ++c) {
    const bool padding = c >= channels_;
    set_coefficients(c, padding ? 0.0 : static_cast<double>(mean[c]), padding ? 1.0 : static_cast<double>(variance[c]));
  }
}

void FusedNorm::finish_backward(const double* first, const double* second, std::size_t chunks, std::size_t values) {
  double* const first_sum = work_;
  double* const second_sum = work_ + padded_;
  std::fill_n(work_, 2 * padded_, 0.0);
  for (std::size_t chunk = 0; chunk < chunks; ++chunk) {
    for (std::size_t c = 0; c < padded_; ++c) first_sum[c] += first[chunk * padded_ + c];
    for (std::size_t c = 0; c < padded_; ++c) second_sum[c] += second[chunk * padded_ + c];
  }
  const auto n = static_cast<double>(values);
  const std::span<float> diff_scale = parameters_.gradient(norm_.scale);
  const std::span<float> diff_shift = parameters_.gradient(norm_.shift);
  for (std::size_t c = 0; c < padded_; ++c) {
    const double inverse = inverse_deviation_[c];
    const auto scale = static_cast<double>(scale_[c]);
    const double b = -scale * inverse * inverse * second_sum[c] / n;
    b_[c] = static_cast<float>(b);
    c_[c] = static_cast<float>(-scale * first_sum[c] / n - b * static_cast<double>(mean_[c]));
    if (c >= channels_) continue;
    diff_scale[c] = static_cast<float>(second_sum[c] * inverse);
    diff_shift[c] = static_cast<float>(first_sum[c]);
  }
}

}  // namespace convmixer
