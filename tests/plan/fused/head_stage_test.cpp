// The head of a fused plan against plain loops in double precision.
#include "plan/fused/head_stage.hpp"

#include "convmixer/core/aligned_buffer.hpp"
#include "convmixer/core/rng.hpp"
#include "convmixer/model/convmixer.hpp"
#include "support/relative_error.hpp"
#include "support/test_engine.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace convmixer::fused {
namespace {

using testing_support::relative_error;
using testing_support::test_engine;

struct Case {
  int channels;
  int classes;
  std::int64_t batch;
};

class FusedHead : public testing::TestWithParam<Case> {
 protected:
  FusedHead() {
    parameters_.initialise(1);
    Rng rng(2, RandomStream::synthetic_data);
    const BatchNorm& batch_norm = chain_.blocks.back().pointwise.norm;
    for (float& value : parameters_.value(batch_norm.scale)) value = rng.normal();
    for (float& value : parameters_.value(batch_norm.shift)) value = rng.normal();
    for (float& value : parameters_.statistic(batch_norm.running_mean)) value = rng.normal();
    for (float& value : parameters_.statistic(batch_norm.running_var)) value = 0.5F + std::abs(rng.normal());
    norm_.add_memory(memory_);
    head_.add_memory(memory_);
    block_ = AlignedBuffer(memory_.bytes());
    memory_.place(block_.data());
    norm_.use_running_statistics();
    for (std::size_t image = 0; image < images_; ++image) {
      std::vector<float> origin(padded_);
      std::vector<double> sum(padded_);
      for (std::size_t c = 0; c < channels_; ++c) {
        origin[c] = rng.normal();
        sum[c] = 4.0 * static_cast<double>(rng.normal());
        means_.push_back(static_cast<double>(origin[c]) + sum[c] / static_cast<double>(kPixels));
      }
      head_.set_image_mean(image, origin.data(), sum.data());
      for (std::size_t k = 0; k < classes_; ++k) diff_logits_.push_back(0.1F + rng.normal());
    }
  }

  [[nodiscard]] double mean(std::size_t image, std::size_t c) const { return means_[image * channels_ + c]; }
  [[nodiscard]] double pooled(std::size_t image, std::size_t c) const {
    return static_cast<double>(norm_.scale()[c]) * mean(image, c) + static_cast<double>(norm_.shift()[c]);
  }
  [[nodiscard]] double diff_logit(std::size_t image, std::size_t k) const { return diff_logits_[image * classes_ + k]; }
  [[nodiscard]] double weight(std::size_t k, std::size_t c) {
    return parameters_.value(chain_.head.weight)[k * channels_ + c];
  }
  /// Of one pixel of an image.
  [[nodiscard]] double pixel_gradient(std::size_t image, std::size_t c) {
    double sum = 0.0;
    for (std::size_t k = 0; k < classes_; ++k) sum += diff_logit(image, k) * weight(k, c);
    return sum / static_cast<double>(kPixels);
  }

  static constexpr std::size_t kPixels = 9;
  std::size_t channels_ = static_cast<std::size_t>(GetParam().channels);
  std::size_t padded_ = kernels::padded_channels(channels_);
  std::size_t classes_ = static_cast<std::size_t>(GetParam().classes);
  std::size_t images_ = static_cast<std::size_t>(GetParam().batch);
  Graph graph_ = make_convmixer({.dim = GetParam().channels,
                                 .depth = 1,
                                 .kernel_size = 1,
                                 .patch_size = 1,
                                 .image_size = 3,
                                 .channels = 1,
                                 .classes = GetParam().classes});
  Parameters parameters_{graph_};
  StageChain chain_ = find_stage_chain(graph_).value();
  StageContext context_{
      chain_, parameters_, test_engine(), {{.batch_size = GetParam().batch}}, kernels::ElementType::f32};
  Norm norm_{chain_.blocks.back().pointwise, parameters_};
  HeadStage head_{context_, chain_};
  PlacedMemory memory_;
  AlignedBuffer block_;
  std::vector<double> means_;  // (image, channel)
  std::vector<float> diff_logits_;
};

TEST_P(FusedHead, ClassifiesTheNormalisedMeans) {
  head_.forward(norm_);
  std::vector<double> expected;
  for (std::size_t image = 0; image < images_; ++image) {
    for (std::size_t k = 0; k < classes_; ++k) {
      double sum = parameters_.value(chain_.head.bias)[k];
      for (std::size_t c = 0; c < channels_; ++c) sum += pooled(image, c) * weight(k, c);
      expected.push_back(sum);
    }
  }
  EXPECT_LE(relative_error(std::span<const float>(head_.logits(), expected.size()), std::span<const double>(expected)),
            1e-6);
}

TEST_P(FusedHead, GivesTheGradientsOfTheClassifier) {
  head_.forward(norm_);
  head_.backward(diff_logits_.data(), norm_);
  std::vector<double> weights;
  std::vector<double> biases;
  for (std::size_t k = 0; k < classes_; ++k) {
    biases.push_back(0.0);
    for (std::size_t image = 0; image < images_; ++image) biases.back() += diff_logit(image, k);
    for (std::size_t c = 0; c < channels_; ++c) {
      weights.push_back(0.0);
      for (std::size_t image = 0; image < images_; ++image) weights.back() += diff_logit(image, k) * pooled(image, c);
    }
  }
  const std::span<const float> diff_weight = parameters_.gradient(chain_.head.weight);
  const std::span<const float> diff_bias = parameters_.gradient(chain_.head.bias);
  EXPECT_LE(relative_error(diff_weight, std::span<const double>(weights)), 1e-6);
  EXPECT_LE(relative_error(diff_bias, std::span<const double>(biases)), 1e-7);
}

TEST_P(FusedHead, HandsOnTheSameGradientForAllPixelsOfAnImage) {
  head_.forward(norm_);
  head_.backward(diff_logits_.data(), norm_);
  for (std::size_t image = 0; image < images_; ++image) {
    std::vector<double> expected(padded_);  // zeros in padding channels
    for (std::size_t c = 0; c < channels_; ++c) expected[c] = pixel_gradient(image, c);
    EXPECT_LE(relative_error(std::span<const float>(head_.pixel_gradients() + image * padded_, padded_),
                             std::span<const double>(expected)),
              1e-6)
        << image;
  }
}

TEST_P(FusedHead, FinishesTheLastNorm) {
  head_.forward(norm_);
  head_.backward(diff_logits_.data(), norm_);
  const BatchNorm& batch_norm = chain_.blocks.back().pointwise.norm;
  const auto values = static_cast<double>(images_ * kPixels);
  for (std::size_t c = 0; c < channels_; ++c) {
    double sum = 0.0;
    double weighted = 0.0;
    double size = 0.0;
    for (std::size_t image = 0; image < images_; ++image) {
      const double gradient = pixel_gradient(image, c) * static_cast<double>(kPixels);
      const double centred = mean(image, c) - static_cast<double>(norm_.mean()[c]);
      sum += gradient;
      weighted += gradient * centred;
      size += std::abs(gradient) * (1.0 + std::abs(centred));
    }
    const double variance = parameters_.statistic(batch_norm.running_var)[c];
    const double inverse = 1.0 / std::sqrt(variance + static_cast<double>(batch_norm.epsilon));
    const double scale = norm_.scale()[c];
    EXPECT_NEAR(parameters_.gradient(batch_norm.shift)[c], sum, 1e-6 * size) << c;
    EXPECT_NEAR(parameters_.gradient(batch_norm.scale)[c], weighted * inverse, 1e-6 * size * inverse) << c;
    const double b = -scale * inverse * inverse * weighted / values;
    const double tolerance = 1e-6 * size * std::abs(scale) * (1.0 + inverse * inverse);
    EXPECT_NEAR(norm_.b()[c], b, tolerance) << c;
    EXPECT_NEAR(norm_.c()[c], -scale * sum / values - b * static_cast<double>(norm_.mean()[c]), 4.0 * tolerance) << c;
  }
}

INSTANTIATE_TEST_SUITE_P(All, FusedHead,
                         testing::Values(Case{1, 1, 2}, Case{20, 7, 3}, Case{67, 40, 37}, Case{32, 10, 70}),
                         [](const auto& one) {
                           return "channels" + std::to_string(one.param.channels) + "_classes" +
                                  std::to_string(one.param.classes) + "_batch" + std::to_string(one.param.batch);
                         });

}  // namespace
}  // namespace convmixer::fused
