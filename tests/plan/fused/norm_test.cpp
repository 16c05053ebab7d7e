// A fused norm's statistics and coefficients against plain loops in double precision.
#include "plan/fused/norm.hpp"

#include "convmixer/core/aligned_buffer.hpp"
#include "convmixer/core/rng.hpp"
#include "kernels/fused/chunk_sums.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <variant>
#include <vector>

namespace convmixer::fused {
namespace {

/// A batch of values g after a GELU and of gradients dy after their norm, in uneven chunks, with the sums that stages
/// leave of them.
class FusedNorm : public testing::TestWithParam<int> {
 protected:
  FusedNorm() {
    graph_.batch_norm("norm", graph_.gelu("gelu", graph_.convolution_same("conv", 0, GetParam(), 1, 1)));
    parameters_.emplace(graph_);
    stage_.norm = std::get<BatchNorm>(graph_.nodes().back().operation);
    stage_.out_channels = channels_;
    Rng rng(1, RandomStream::synthetic_data);
    for (const ParameterId id : {stage_.norm.scale, stage_.norm.shift}) {
      for (float& value : parameters_->value(id)) value = rng.normal();
    }
    for (float& value : parameters_->statistic(stage_.norm.running_mean)) value = rng.normal();
    for (float& value : parameters_->statistic(stage_.norm.running_var)) value = 0.5F + std::abs(rng.normal());
    for (const std::size_t count : chunk_values_) {
      for (std::size_t i = 0; i < count * channels_; ++i) {
        values_.push_back(3.0F * static_cast<float>(i % channels_) + rng.normal());
        gradients_.push_back(0.5F + rng.normal());
      }
    }
    norm_.emplace(stage_, *parameters_);
    norm_->add_memory(memory_);
    block_ = AlignedBuffer(memory_.bytes());
    memory_.place(block_.data());
  }

  [[nodiscard]] double value(std::size_t i, std::size_t c) const { return values_[i * channels_ + c]; }
  [[nodiscard]] double gradient(std::size_t i, std::size_t c) const { return gradients_[i * channels_ + c]; }
  [[nodiscard]] double mean(std::size_t c) const {
    double sum = 0.0;
    for (std::size_t i = 0; i < count_; ++i) sum += value(i, c);
    return sum / static_cast<double>(count_);
  }
  [[nodiscard]] double square(std::size_t c) const {
    double sum = 0.0;
    for (std::size_t i = 0; i < count_; ++i) sum += (value(i, c) - mean(c)) * (value(i, c) - mean(c));
    return sum;
  }
  [[nodiscard]] double deviation(std::size_t c) const {
    return std::sqrt(square(c) / static_cast<double>(count_) + static_cast<double>(stage_.norm.epsilon));
  }

  void finish_forward(bool update) {
    std::vector<float> origin(chunk_values_.size() * padded_);
    std::vector<double> sum(origin.size());
    std::vector<double> squares(origin.size());
    std::size_t first = 0;
    for (std::size_t chunk = 0; chunk < chunk_values_.size(); ++chunk) {
      for (std::size_t c = 0; c < channels_; ++c) {
        const std::size_t place = chunk * padded_ + c;
        origin[place] = static_cast<float>(value(first, c));
        for (std::size_t i = first; i < first + chunk_values_[chunk]; ++i) {
          const double distance = value(i, c) - static_cast<double>(origin[place]);
          sum[place] += distance;
          squares[place] += distance * distance;
        }
      }
      first += chunk_values_[chunk];
    }
    std::vector<double> means(padded_);
    std::vector<double> distances(padded_);
    kernels::chunk_moments({.origin = origin.data(),
                            .sum = sum.data(),
                            .square = squares.data(),
                            .values = chunk_values_.data(),
                            .chunks = chunk_values_.size(),
                            .stride = padded_},
                           padded_, means.data(), distances.data());
    for (std::size_t channel_block = 0; channel_block * kernels::kChannelBlock < padded_; ++channel_block) {
      const std::size_t channel = channel_block * kernels::kChannelBlock;
      norm_->finish_forward(channel_block, means.data() + channel, distances.data() + channel,
                            static_cast<double>(count_), update);
    }
  }

  void finish_backward() {
    std::vector<double> sum(padded_);
    std::vector<double> weighted(padded_);
    for (std::size_t i = 0; i < count_; ++i) {
      for (std::size_t c = 0; c < channels_; ++c) {
        sum[c] += gradient(i, c);
        weighted[c] += gradient(i, c) * (value(i, c) - static_cast<double>(norm_->mean()[c]));
      }
    }
    for (std::size_t channel_block = 0; channel_block * kernels::kChannelBlock < padded_; ++channel_block) {
      const std::size_t channel = channel_block * kernels::kChannelBlock;
      norm_->finish_backward(channel_block, sum.data() + channel, weighted.data() + channel, count_);
    }
  }

  std::size_t channels_ = static_cast<std::size_t>(GetParam());
  std::size_t padded_ = kernels::padded_channels(channels_);
  std::vector<std::size_t> chunk_values_{5, 1, 9, 4, 4};
  std::size_t count_ = 23;
  Graph graph_{3, 4, 4};
  std::optional<Parameters> parameters_;
  ConvolutionStage stage_;
  std::vector<float> values_;
  std::vector<float> gradients_;
  std::optional<Norm> norm_;
  PlacedMemory memory_;
  AlignedBuffer block_;
};

TEST_P(FusedNorm, NormalisesWithTheStatisticsOfAllChunks) {
  finish_forward(false);
  for (std::size_t c = 0; c < channels_; ++c) {
    const double scale = parameters_->value(stage_.norm.scale)[c] / deviation(c);
    EXPECT_NEAR(norm_->mean()[c], mean(c), 1e-6 * (1.0 + std::abs(mean(c)))) << c;
    EXPECT_NEAR(norm_->scale()[c], scale, 1e-6 * std::abs(scale)) << c;
    const double shift = parameters_->value(stage_.norm.shift)[c] - scale * mean(c);
    EXPECT_NEAR(norm_->shift()[c], shift, 1e-6 * (1.0 + std::abs(scale * mean(c)))) << c;
  }
}

TEST_P(FusedNorm, MovesTheRunningStatisticsOnlyWhereAsked) {
  const std::span<const float> running_mean = parameters_->statistic(stage_.norm.running_mean);
  const std::span<const float> running_var = parameters_->statistic(stage_.norm.running_var);
  const std::vector<float> mean_before(running_mean.begin(), running_mean.end());
  const std::vector<float> var_before(running_var.begin(), running_var.end());
  finish_forward(false);
  EXPECT_TRUE(std::ranges::equal(running_mean, mean_before));
  EXPECT_TRUE(std::ranges::equal(running_var, var_before));
  finish_forward(true);
  for (std::size_t c = 0; c < channels_; ++c) {
    const double unbiased = square(c) / static_cast<double>(count_ - 1);
    EXPECT_NEAR(running_mean[c], 0.9 * mean_before[c] + 0.1 * mean(c), 1e-5) << c;
    EXPECT_NEAR(running_var[c], 0.9 * var_before[c] + 0.1 * unbiased, 1e-5) << c;
  }
}

TEST_P(FusedNorm, InfersWithTheRunningStatistics) {
  norm_->use_running_statistics();
  for (std::size_t c = 0; c < channels_; ++c) {
    const double mean = parameters_->statistic(stage_.norm.running_mean)[c];
    const double variance = parameters_->statistic(stage_.norm.running_var)[c];
    const double scale =
        parameters_->value(stage_.norm.scale)[c] / std::sqrt(variance + static_cast<double>(stage_.norm.epsilon));
    EXPECT_NEAR(norm_->scale()[c], scale, 1e-6 * std::abs(scale)) << c;
    EXPECT_NEAR(norm_->shift()[c], parameters_->value(stage_.norm.shift)[c] - scale * mean, 1e-5) << c;
  }
}

// dg = gamma / deviation (dy - mean(dy) - ghat mean(dy ghat)), with ghat = (g - mean) / deviation.
TEST_P(FusedNorm, GivesTheGradientsOfItsInputScaleAndShift) {
  finish_forward(false);
  finish_backward();
  const auto n = static_cast<double>(count_);
  for (std::size_t c = 0; c < channels_; ++c) {
    const auto normalised = [&](std::size_t i) { return (value(i, c) - mean(c)) / deviation(c); };
    double sum = 0.0;
    double product = 0.0;
    for (std::size_t i = 0; i < count_; ++i) {
      sum += gradient(i, c);
      product += gradient(i, c) * normalised(i);
    }
    EXPECT_NEAR(parameters_->gradient(stage_.norm.shift)[c], sum, 1e-5 * n) << c;
    EXPECT_NEAR(parameters_->gradient(stage_.norm.scale)[c], product, 1e-5 * n) << c;
    const double gamma = parameters_->value(stage_.norm.scale)[c];
    const double size = std::abs(gamma / deviation(c));
    for (std::size_t i = 0; i < count_; ++i) {
      const double expected = gamma / deviation(c) * (gradient(i, c) - sum / n - normalised(i) * product / n);
      const double found = static_cast<double>(norm_->a()[c]) * gradient(i, c) +
                           static_cast<double>(norm_->b()[c]) * value(i, c) + static_cast<double>(norm_->c()[c]);
      EXPECT_NEAR(found, expected, 2e-6 * size * (1.0 + std::abs(mean(c)))) << c << ", " << i;
    }
  }
}

TEST_P(FusedNorm, LeavesPaddingChannelsZero) {
  const auto expect_zero = [&] {
    for (std::size_t c = channels_; c < padded_; ++c) {
      EXPECT_EQ(norm_->scale()[c], 0.0F) << c;
      EXPECT_EQ(norm_->shift()[c], 0.0F) << c;
    }
  };
  norm_->use_running_statistics();
  expect_zero();
  finish_forward(true);
  expect_zero();
  finish_backward();
  for (std::size_t c = channels_; c < padded_; ++c) {
    EXPECT_EQ(norm_->b()[c], 0.0F) << c;
    EXPECT_EQ(norm_->c()[c], 0.0F) << c;
  }
}

INSTANTIATE_TEST_SUITE_P(Channels, FusedNorm, testing::Values(1, 20, 32, 67),
                         [](const auto& one) { return std::to_string(one.param); });

}  // namespace
}  // namespace convmixer::fused
