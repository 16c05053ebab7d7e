// Batch and group norm of images against plain loops in double precision, in every layout.
#include "convmixer/core/thread_pool.hpp"
#include "kernels/instruction_sets.hpp"
#include "kernels/plain/batch_norm.hpp"
#include "kernels/plain/group_norm.hpp"
#include "kernels/plain/image_tensor.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <vector>

namespace convmixer::kernels {
namespace {

using namespace testing_support;

constexpr float kEpsilon = 1e-5F;

Runtime& runtime() {
  static ThreadPool pool(2);
  static Runtime runtime(pool);
  return runtime;
}

// Whole groups, halves, what is left of either, and less than any; rows of a chain or several, and what is left of one.
constexpr std::int64_t kChannels[] = {1, 8, 20, 45};
constexpr std::int64_t kSides[] = {1, 3, 9};
constexpr ElementType kTypes[] = {ElementType::f32, ElementType::bf16};

/// What is normalised together.
struct Norm {
  std::int64_t groups;  ///< of an image's channels; 0: each channel over all images

  [[nodiscard]] bool has(std::int64_t n, std::int64_t c, std::int64_t image, std::int64_t channel,
                         std::int64_t channels) const {
    if (groups == 0) return c == channel;
    return n == image && c / (channels / groups) == channel / (channels / groups);
  }
  /// Where the mean of a value's norm is.
  [[nodiscard]] std::size_t at(std::int64_t n, std::int64_t c, std::int64_t channels) const {
    return static_cast<std::size_t>(groups == 0 ? c : n * groups + c / (channels / groups));
  }
};

using Value = std::function<double(std::int64_t, std::int64_t, std::size_t)>;

/// The mean of value(n, c, pixel) over each norm.
std::vector<double> means(const ImageTensor& tensor, const Norm& norm, const Value& value) {
  const std::int64_t channels = tensor.channels();
  const std::int64_t count = norm.groups == 0 ? channels : tensor.images() * norm.groups;
  std::vector<double> sums(static_cast<std::size_t>(count));
  std::vector<double> values(sums.size());
  tensor.for_each([&](auto n, auto c, auto p) {
    sums[norm.at(n, c, channels)] += value(n, c, p);
    values[norm.at(n, c, channels)] += 1.0;
  });
  for (std::size_t i = 0; i < sums.size(); ++i) sums[i] /= values[i];
  return sums;
}

/// Of values around 1 that are stored in this type.
double tolerance(ElementType type) { return type == ElementType::f32 ? 4e-6 : 0x1p-8; }

/// One case: tensors, and what plain loops make of them.
struct Case {
  Case(const Norm& by, const Shape& shape, ElementType type, Format format)
      : norm(by),
        src(shape, ElementType::f32, format),
        dst(shape, type, format),
        diff_dst(shape, type, format),
        diff_src(shape, ElementType::f32, format),
        scale(random_numbers(static_cast<std::size_t>(shape[1]), 10, 0.5F, 1.5F)),
        shift(random_numbers(static_cast<std::size_t>(shape[1]), 11)),
        diff_scale(scale.size()),
        diff_shift(scale.size()) {
    src.fill(1, 3.0F);
    diff_dst.fill(2, 0.5F);
    dst.spoil();
    diff_src.spoil();
    mean = means(src, norm, [&](auto n, auto c, auto p) { return src.at(n, c, p); });
    variance = means(src, norm, [&](auto n, auto c, auto p) {
      const double centred = src.at(n, c, p) - mean[norm.at(n, c, src.channels())];
      return centred * centred;
    });
    statistics.assign(
        {std::vector<float>(mean.begin(), mean.end()), std::vector<float>(variance.begin(), variance.end())});
  }

  [[nodiscard]] std::size_t at(std::int64_t n, std::int64_t c) const { return norm.at(n, c, src.channels()); }
  [[nodiscard]] double inverse(std::size_t i) const {
    return 1.0 / std::sqrt(variance[i] + static_cast<double>(kEpsilon));
  }
  [[nodiscard]] double xhat(std::int64_t n, std::int64_t c, std::size_t p) const {
    return (src.at(n, c, p) - mean[at(n, c)]) * inverse(at(n, c));
  }

  void expect_forward() const {
    const std::string of = dst.describe();
    for (std::size_t i = 0; i < mean.size(); ++i) {
      ASSERT_NEAR(static_cast<double>(statistics[0][i]), mean[i], 1e-6) << of << ", mean " << i;
      ASSERT_NEAR(static_cast<double>(statistics[1][i]), variance[i], 1e-6) << of << ", variance " << i;
    }
    dst.for_each([&](auto n, auto c, auto p) {
      const auto channel = static_cast<std::size_t>(c);
      const double expected = xhat(n, c, p) * static_cast<double>(scale[channel]) + static_cast<double>(shift[channel]);
      // A variance near 0 makes much of the input's last bits.
      const double most = tolerance(dst.layout().type()) * (1.0 + std::abs(expected)) + 2e-7 * inverse(at(n, c));
      ASSERT_NEAR(dst.at(n, c, p), expected, most) << of << ", image " << n << ", channel " << c << ", pixel " << p;
    });
    EXPECT_TRUE(dst.padding_is_zero()) << of;
  }

  /// `given`: mean and variance don't depend on the input.
  void expect_backward(bool given) const {
    const std::string of = diff_dst.describe();
    const auto gradient = [&](auto n, auto c, auto p) {
      return diff_dst.at(n, c, p) * static_cast<double>(scale[static_cast<std::size_t>(c)]);
    };
    const std::vector<double> of_gradient = means(src, norm, gradient);
    const std::vector<double> of_product =
        means(src, norm, [&](auto n, auto c, auto p) { return gradient(n, c, p) * xhat(n, c, p); });
    std::vector<double> by_scale(scale.size());
    std::vector<double> by_shift(scale.size());
    src.for_each([&](auto n, auto c, auto p) {
      by_scale[static_cast<std::size_t>(c)] += diff_dst.at(n, c, p) * xhat(n, c, p);
      by_shift[static_cast<std::size_t>(c)] += diff_dst.at(n, c, p);
      const std::size_t i = at(n, c);
      const double rest = given ? 0.0 : of_gradient[i] + xhat(n, c, p) * of_product[i];
      const double expected = inverse(i) * (gradient(n, c, p) - rest);
      ASSERT_NEAR(diff_src.at(n, c, p), expected, 1e-5 * (1.0 + inverse(i)))
          << of << ", image " << n << ", channel " << c << ", pixel " << p;
    });
    const double values = static_cast<double>(src.images()) * static_cast<double>(src.pixels());
    for (std::size_t c = 0; c < scale.size(); ++c) {
      ASSERT_NEAR(static_cast<double>(diff_scale[c]), by_scale[c], 2e-6 * values) << of << ", scale " << c;
      ASSERT_NEAR(static_cast<double>(diff_shift[c]), by_shift[c], 2e-7 * values) << of << ", shift " << c;
    }
    EXPECT_TRUE(diff_src.padding_is_zero()) << of;
  }

  Norm norm;
  ImageTensor src;
  ImageTensor dst;
  ImageTensor diff_dst;
  ImageTensor diff_src;
  std::vector<float> scale;
  std::vector<float> shift;
  std::vector<float> diff_scale;
  std::vector<float> diff_shift;
  std::vector<double> mean;
  std::vector<double> variance;
  std::vector<std::vector<float>> statistics;  ///< mean and variance, as a kernel writes or reads them
};

/// Calls body(shape, type of what is normalised, format).
template <typename Body>
void for_each_tensor(const Body& body) {
  for (const Format format : kImageFormats) {
    for (const std::int64_t channels : kChannels) {
      for (const std::int64_t side : kSides) {
        for (const ElementType type : kTypes) body(Shape{3, channels, side, side}, type, format);
      }
    }
  }
}

template <typename Memory>
Memory forward_memory(Case& norm, std::vector<double>& working) {
  return {.src = norm.src.floats(),
          .dst = norm.dst.data(),
          .mean = norm.statistics[0].data(),
          .variance = norm.statistics[1].data(),
          .scale = norm.scale.data(),
          .shift = norm.shift.data(),
          .working = working.data()};
}

template <typename Memory>
Memory backward_memory(Case& norm, std::vector<double>& working) {
  return {.src = norm.src.floats(),
          .mean = norm.statistics[0].data(),
          .variance = norm.statistics[1].data(),
          .scale = norm.scale.data(),
          .diff_dst = norm.diff_dst.data(),
          .diff_src = norm.diff_src.floats(),
          .diff_scale = norm.diff_scale.data(),
          .diff_shift = norm.diff_shift.data(),
          .working = working.data()};
}

class ImageNorms : public OnEveryInstructionSet {};
INSTANTIATE_TEST_SUITE_P(All, ImageNorms, every_instruction_set(), name_of_instruction_set);

TEST_P(ImageNorms, BatchNormNormalisesEveryLayout) {
  for_each_tensor([](const Shape& shape, ElementType type, Format format) {
    Case norm({0}, shape, type, format);
    std::vector<double> working(batch_norm_doubles(norm.src.layout()));
    const auto memory = forward_memory<BatchNormForward>(norm, working);
    batch_norm_inference(runtime(), norm.src.layout(), type, kEpsilon, memory);
    norm.expect_forward();
    for (auto& values : norm.statistics) values.assign(values.size(), 0.0F);
    batch_norm_training(runtime(), norm.src.layout(), type, kEpsilon, memory);
    norm.expect_forward();
  });
}

TEST_P(ImageNorms, BatchNormHasTheGradientOfEveryLayout) {
  for_each_tensor([](const Shape& shape, ElementType type, Format format) {
    Case norm({0}, shape, type, format);
    std::vector<double> working(batch_norm_doubles(norm.src.layout()));
    const auto memory = backward_memory<BatchNormBackward>(norm, working);
    batch_norm_backward(runtime(), norm.src.layout(), type, kEpsilon, memory);
    norm.expect_backward(/*given=*/false);
    batch_norm_inference_backward(runtime(), norm.src.layout(), type, kEpsilon, memory);
    norm.expect_backward(/*given=*/true);
  });
}

TEST_P(ImageNorms, GroupNormNormalisesEveryLayout) {
  for_each_tensor([](const Shape& shape, ElementType type, Format format) {
    for (const int groups : {1, 4, 5}) {
      if (shape[1] % groups != 0) continue;
      Case norm({groups}, shape, type, format);
      std::vector<double> working(group_norm_doubles(norm.src.layout()));
      for (auto& values : norm.statistics) values.assign(values.size(), 0.0F);
      group_norm_forward(runtime(), norm.src.layout(), type, {groups, kEpsilon},
                         forward_memory<GroupNormForward>(norm, working));
      norm.expect_forward();
    }
  });
}

TEST_P(ImageNorms, GroupNormHasTheGradientOfEveryLayout) {
  for_each_tensor([](const Shape& shape, ElementType type, Format format) {
    for (const int groups : {1, 4, 5}) {
      if (shape[1] % groups != 0) continue;
      Case norm({groups}, shape, type, format);
      std::vector<double> working(group_norm_doubles(norm.src.layout()));
      group_norm_backward(runtime(), norm.src.layout(), type, {groups, kEpsilon},
                          backward_memory<GroupNormBackward>(norm, working));
      norm.expect_backward(/*given=*/false);
    }
  });
}

TEST_P(ImageNorms, AMeanFarFrom0LeavesTheVarianceItsDigits) {
  for (const Format format : kImageFormats) {
    Case norm({0}, Shape{2, 20, 9, 9}, ElementType::f32, format);
    norm.src.fill(1, 4096.0F);  // values are multiples of 2^-12
    const double mean = means(norm.src, norm.norm, [&](auto n, auto c, auto p) { return norm.src.at(n, c, p); })[19];
    const double variance = means(norm.src, norm.norm, [&](auto n, auto c, auto p) {
      return std::pow(norm.src.at(n, c, p) - (c == 19 ? mean : 0.0), 2);
    })[19];
    std::vector<double> working(batch_norm_doubles(norm.src.layout()));
    batch_norm_training(runtime(), norm.src.layout(), ElementType::f32, kEpsilon,
                        forward_memory<BatchNormForward>(norm, working));
    EXPECT_NEAR(static_cast<double>(norm.statistics[1][19]), variance, 1e-6) << norm.src.describe();
  }
}

}  // namespace
}  // namespace convmixer::kernels
