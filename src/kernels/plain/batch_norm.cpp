#include "kernels/plain/batch_norm.hpp"

#include "kernels/plain/norm_pixels.hpp"

#include <algorithm>
#include <cmath>

namespace convmixer::kernels {

namespace {

/// Channels in whole groups of 16.
std::size_t channels_in_groups(std::int64_t channels) {
  return (static_cast<std::size_t>(channels) + kGroup - 1) / kGroup * kGroup;
}

/// The working memory: two sums per image and channel, of which image 0's receive the totals, and the coefficients.
class Working {
 public:
  Working(const TensorView& view, double* memory)
      : images_(static_cast<std::size_t>(view.images)), channels_(channels_in_groups(view.channels)), memory_(memory) {}

  static std::size_t doubles(const Layout& layout) {
    return (2 * static_cast<std::size_t>(layout.shape()[0]) + 2) * channels_in_groups(layout.shape()[1]);
  }

  [[nodiscard]] Sums sums(std::int64_t image, std::int64_t first_channel) const {
    double* const first = memory_ + 2 * channels_ * static_cast<std::size_t>(image) + first_channel;
    return {first, first + channels_};
  }

  [[nodiscard]] Coefficients coefficients(std::int64_t first_channel) const {
    auto* const mean = reinterpret_cast<float*>(memory_ + 2 * channels_ * images_) + first_channel;
    return {mean, mean + channels_, mean + 2 * channels_, mean + 3 * channels_};
  }

  void clear() const { std::fill_n(memory_, (2 * images_ + 2) * channels_, 0.0); }

  /// Adds the images up, in their order.
  void total() const {
    for (std::size_t image = 1; image < images_; ++image) {
      for (std::size_t i = 0; i < 2 * channels_; ++i) memory_[i] += memory_[2 * channels_ * image + i];
    }
  }

 private:
  std::size_t images_;
  std::size_t channels_;
  double* memory_;
};

double inverse_deviation(float variance, float epsilon) {
  return 1.0 / std::sqrt(static_cast<double>(variance) + static_cast<double>(epsilon));
}

double count_of(const TensorView& view) { return static_cast<double>(view.images) * static_cast<double>(view.rows); }

void batch_moments(Runtime& runtime, const TensorView& view, const Working& working, const BatchNormForward& memory) {
  // Moments about a value of the channel itself: about 0, a mean far from 0 would cancel the variance's digits.
  const float* const origin = working.coefficients(0).mean;
  for (std::int64_t c = 0; c < view.channels; ++c) working.coefficients(c).mean[0] = memory.src[view.offset(0, c)];
  runtime.parallel_for(view.images, [&](std::int64_t image) {
    for_each_part(view, image, [&](std::int64_t first, const Pixels& pixels) {
      add_moments(memory.src, pixels, origin + first, working.sums(image, first));
    });
  });
  working.total();
  for (std::int64_t c = 0; c < view.channels; ++c) {
    const double offset = *working.sums(0, c).first / count_of(view);
    const double square = *working.sums(0, c).second / count_of(view);
    memory.mean[c] = static_cast<float>(static_cast<double>(origin[c]) + offset);
    memory.variance[c] = static_cast<float>(std::max(0.0, square - offset * offset));
  }
}

void normalise_all(Runtime& runtime, const TensorView& view, const Working& working, ElementType dst_type,
                   float epsilon, const BatchNormForward& memory) {
  for (std::int64_t c = 0; c < view.channels; ++c) {
    const Coefficients by = working.coefficients(c);
    *by.mean = memory.mean[c];
    *by.factor =
        static_cast<float>(static_cast<double>(memory.scale[c]) * inverse_deviation(memory.variance[c], epsilon));
    *by.offset = memory.shift[c];
  }
  runtime.parallel_for(view.images, [&](std::int64_t image) {
    for_each_part(view, image, [&](std::int64_t first, const Pixels& pixels) {
      normalise_pixels(memory.src, memory.dst, dst_type, pixels, working.coefficients(first));
    });
  });
}

void sum_gradient(Runtime& runtime, const TensorView& view, const Working& working, ElementType diff_dst_type,
                  const BatchNormBackward& memory) {
  float* const mean = working.coefficients(0).mean;
  std::copy_n(memory.mean, view.channels, mean);
  runtime.parallel_for(view.images, [&](std::int64_t image) {
    for_each_part(view, image, [&](std::int64_t first, const Pixels& pixels) {
      add_gradient_sums(memory.src, memory.diff_dst, diff_dst_type, pixels, mean + first, working.sums(image, first));
    });
  });
  working.total();
}

/// What mean and variance are taken from.
enum class Statistics { batch, given };

void gradient_all(Runtime& runtime, const TensorView& view, const Working& working, ElementType diff_dst_type,
                  float epsilon, Statistics statistics, const BatchNormBackward& memory) {
  for (std::int64_t c = 0; c < view.channels; ++c) {
    const Sums sums = working.sums(0, c);
    const Coefficients by = working.coefficients(c);
    const double inverse = inverse_deviation(memory.variance[c], epsilon);
    const double factor = static_cast<double>(memory.scale[c]) * inverse;
    memory.diff_shift[c] = static_cast<float>(*sums.first);
    memory.diff_scale[c] = static_cast<float>(*sums.second * inverse);
    *by.factor = static_cast<float>(factor);
    *by.src_factor = 0.0F;
    *by.offset = 0.0F;
    if (statistics == Statistics::given) continue;
    *by.src_factor = static_cast<float>(-factor * inverse * inverse * *sums.second / count_of(view));
    *by.offset = static_cast<float>(-factor * *sums.first / count_of(view));
  }
  runtime.parallel_for(view.images, [&](std::int64_t image) {
    for_each_part(view, image, [&](std::int64_t first, const Pixels& pixels) {
      gradient_of_pixels(memory.src, memory.diff_dst, diff_dst_type, memory.diff_src, pixels,
                         working.coefficients(first));
    });
  });
}

}  // namespace

std::size_t batch_norm_doubles(const Layout& layout) { return Working::doubles(layout); }

void batch_norm_training(Runtime& runtime, const Layout& src, ElementType dst_type, float epsilon,
                         const BatchNormForward& memory) {
  const TensorView view(src);
  const Working working(view, memory.working);
  working.clear();
  batch_moments(runtime, view, working, memory);
  normalise_all(runtime, view, working, dst_type, epsilon, memory);
}

void batch_norm_inference(Runtime& runtime, const Layout& src, ElementType dst_type, float epsilon,
                          const BatchNormForward& memory) {
  const TensorView view(src);
  const Working working(view, memory.working);
  working.clear();
  normalise_all(runtime, view, working, dst_type, epsilon, memory);
}

namespace {

void backward_with(Statistics statistics, Runtime& runtime, const Layout& src, ElementType diff_dst_type, float epsilon,
                   const BatchNormBackward& memory) {
  const TensorView view(src);
  const Working working(view, memory.working);
  working.clear();
  sum_gradient(runtime, view, working, diff_dst_type, memory);
  gradient_all(runtime, view, working, diff_dst_type, epsilon, statistics, memory);
}

}  // namespace

void batch_norm_backward(Runtime& runtime, const Layout& src, ElementType diff_dst_type, float epsilon,
                         const BatchNormBackward& memory) {
  backward_with(Statistics::batch, runtime, src, diff_dst_type, epsilon, memory);
}

void batch_norm_inference_backward(Runtime& runtime, const Layout& src, ElementType diff_dst_type, float epsilon,
                                   const BatchNormBackward& memory) {
  backward_with(Statistics::given, runtime, src, diff_dst_type, epsilon, memory);
}

}  // namespace convmixer::kernels
