#include "plan/fused/fused_norm.hpp"

#include "kernels/fused/chunk_sums.hpp"
#include "kernels/fused/stage_storage.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace convmixer {

FusedNorm::FusedNorm(const ConvolutionStage& stage, Parameters& parameters, ThreadPool& pool)
    : norm_(stage.norm),
      parameters_(parameters),
      pool_(pool),
      channels_(stage.out_channels),
      padded_(kernels::padded_channels(stage.out_channels)) {}

void FusedNorm::add_memory(PlacedMemory& memory) {
  for (float** const vector : {&mean_, &scale_, &shift_, &b_, &c_}) memory.add(*vector, padded_);
  memory.add(inverse_deviation_, padded_);
  memory.add(work_, 2 * padded_);
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

template <typename Body>
void FusedNorm::for_channels(std::size_t chunks, const Body& body) {
  // Fewer are added up by one (28 microseconds for as many) before the workers have met: measured on two.
  constexpr std::size_t kFewSums = 65536;
  if (pool_.threads() == 1 || chunks * padded_ < kFewSums) return body(0, padded_);
  constexpr std::size_t kPart = 2 * kernels::kChannelBlock;
  pool_.for_each_task(static_cast<std::int64_t>((padded_ + kPart - 1) / kPart), [&](std::int64_t part, int /*worker*/) {
    const std::size_t begin = static_cast<std::size_t>(part) * kPart;
    body(begin, std::min(padded_, begin + kPart));
  });
}

void FusedNorm::finish_forward(const ChunkMoments& moments, std::span<const std::size_t> values, bool update) {
  const auto all = static_cast<double>(std::accumulate(values.begin(), values.end(), std::size_t{0}));
  for_channels(values.size(), [&](std::size_t begin, std::size_t end) {
    double* const mean = work_;
    double* const square = work_ + padded_;
    kernels::chunk_moments({.origin = moments.origin + begin,
                            .sum = moments.sum + begin,
                            .square = moments.square + begin,
                            .values = values.data(),
                            .chunks = values.size(),
                            .stride = padded_},
                           end - begin, mean + begin, square + begin);
    for (std::size_t c = begin; c < end; ++c) set_coefficients(c, mean[c], std::max(0.0, square[c] / all));
    if (update) move_statistics(begin, std::min(end, channels_), all);
  });
}

/// By the batch's statistics in mean_ and work_.
void FusedNorm::move_statistics(std::size_t begin, std::size_t end, double values) {
  const double* const square = work_ + padded_;
  const std::span<float> running_mean = parameters_.statistic(norm_.running_mean);
  const std::span<float> running_var = parameters_.statistic(norm_.running_var);
  for (std::size_t c = begin; c < end; ++c) {
    const auto unbiased = static_cast<float>(std::max(0.0, square[c]) / (values - 1.0));
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
  const auto n = static_cast<double>(values);
  const std::span<float> diff_scale = parameters_.gradient(norm_.scale);
  const std::span<float> diff_shift = parameters_.gradient(norm_.shift);
  for_channels(chunks, [&](std::size_t begin, std::size_t end) {
    double* const first_sum = work_;
    double* const second_sum = work_ + padded_;
    kernels::chunk_total(first + begin, chunks, padded_, end - begin, first_sum + begin);
    kernels::chunk_total(second + begin, chunks, padded_, end - begin, second_sum + begin);
    for (std::size_t c = begin; c < end; ++c) {
      const double inverse = inverse_deviation_[c];
      const auto scale = static_cast<double>(scale_[c]);
      const double b = -scale * inverse * inverse * second_sum[c] / n;
      b_[c] = static_cast<float>(b);
      c_[c] = static_cast<float>(-scale * first_sum[c] / n - b * static_cast<double>(mean_[c]));
      if (c >= channels_) continue;
      diff_scale[c] = static_cast<float>(second_sum[c] * inverse);
      diff_shift[c] = static_cast<float>(first_sum[c]);
    }
  });
}

}  // namespace convmixer
