// The weight gradient of depthwise convolutions against plain loops in double precision, in every layout.
#include "kernels/plain/depthwise_weight_gradient.hpp"

#include "convmixer/core/thread_pool.hpp"
#include "kernels/instruction_sets.hpp"
#include "kernels/plain/image_tensor.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace convmixer::kernels {
namespace {

using namespace testing_support;

Runtime& runtime() {
  static ThreadPool pool(2);
  static Runtime runtime(pool);
  return runtime;
}

constexpr std::int64_t kImages = 10;  // more than a task takes
constexpr std::int64_t kHeight = 6;
constexpr std::int64_t kWidth = 5;

/// The gradient of tap (i, j) of a channel's filter.
double expected_tap(const ImageTensor& src, const ImageTensor& diff_dst, int begin, std::int64_t c, int i, int j) {
  double sum = 0.0;
  for (std::int64_t n = 0; n < kImages; ++n) {
    for (std::int64_t h = 0; h < kHeight; ++h) {
      for (std::int64_t w = 0; w < kWidth; ++w) {
        const std::int64_t y = h + i - begin;
        const std::int64_t x = w + j - begin;
        if (y < 0 || y >= kHeight || x < 0 || x >= kWidth) continue;
        sum += diff_dst.at(n, c, static_cast<std::size_t>(h * kWidth + w)) *
               src.at(n, c, static_cast<std::size_t>(y * kWidth + x));
      }
    }
  }
  return sum;
}

void check_gradient(std::int64_t channels, int kernel, ElementType type, Format format) {
  const Shape shape{kImages, channels, kHeight, kWidth};
  const int begin = (kernel - 1) / 2;
  const ConvolutionProblem problem{.src = shape,
                                   .dst = shape,
                                   .kernel = kernel,
                                   .stride = 1,
                                   .groups = static_cast<int>(channels),
                                   .padding_begin = begin,
                                   .padding_end = kernel - 1 - begin,
                                   .training = true};
  ImageTensor src(shape, type, format);
  ImageTensor diff_dst(shape, type, format);
  src.fill(1);
  diff_dst.fill(2);
  const auto taps = static_cast<std::size_t>(kernel * kernel);
  std::vector<float> diff_weights(static_cast<std::size_t>(channels) * taps);
  std::vector<float> diff_bias(static_cast<std::size_t>(channels));
  std::vector<double> working(depthwise_weight_gradient_doubles(runtime(), problem));
  ASSERT_TRUE(has_depthwise_weight_gradient(problem, src.layout(), diff_dst.layout()));
  depthwise_weight_gradient(runtime(), problem, src.layout(), diff_dst.layout(),
                            {src.data(), diff_dst.data(), diff_weights.data(), diff_bias.data(), working.data()});
  // An image's 30 values in f32, partial sums of up to 8: at most 7e-6; random roundings leave a twentieth. Ten images.
  constexpr double kTolerance = 1e-5;
  for (std::int64_t c = 0; c < channels; ++c) {
    double bias = 0.0;
    for (std::int64_t n = 0; n < kImages; ++n) {
      for (std::size_t p = 0; p < diff_dst.pixels(); ++p) bias += diff_dst.at(n, c, p);
    }
    ASSERT_NEAR(static_cast<double>(diff_bias[static_cast<std::size_t>(c)]), bias, kTolerance)
        << src.describe() << ", channel " << c;
    for (int i = 0; i < kernel; ++i) {
      for (int j = 0; j < kernel; ++j) {
        const std::size_t at = static_cast<std::size_t>(c) * taps + static_cast<std::size_t>(i * kernel + j);
        ASSERT_NEAR(static_cast<double>(diff_weights[at]), expected_tap(src, diff_dst, begin, c, i, j), kTolerance)
            << src.describe() << ", kernel " << kernel << ", channel " << c << ", tap " << i << ", " << j;
      }
    }
  }
}

class DepthwiseWeightGradient : public OnEveryInstructionSet {};
INSTANTIATE_TEST_SUITE_P(All, DepthwiseWeightGradient, every_instruction_set(), name_of_instruction_set);

TEST_P(DepthwiseWeightGradient, MatchesPlainLoopsInEveryLayout) {
  for (const Format format : kImageFormats) {
    for (const ElementType type : {ElementType::f32, ElementType::bf16}) {
      for (const std::int64_t channels : {1, 5, 8, 16, 20, 24, 45}) check_gradient(channels, 5, type, format);
    }
  }
}

TEST_P(DepthwiseWeightGradient, MatchesPlainLoopsForEveryKernel) {
  for (int kernel = 1; kernel <= 11; ++kernel) check_gradient(12, kernel, ElementType::f32, Format::blocked8);
}

}  // namespace
}  // namespace convmixer::kernels
