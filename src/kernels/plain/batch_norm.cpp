#include "kernels/plain/batch_norm.hpp"

#include "kernels/plain/channel_group.hpp"
#include "kernels/plain/tensor_view.hpp"

#include <algorithm>
#include <array>
#include <cmath>

// Everything between HWY_BEFORE_NAMESPACE and HWY_AFTER_NAMESPACE is compiled once for each instruction set: Highway
// includes this file again for each. The order of these lines matters.
// clang-format off
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/plain/batch_norm.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include "kernels/plain/element-inl.h"
// clang-format on

#ifndef CONVMIXER_BATCH_NORM_TYPES
#define CONVMIXER_BATCH_NORM_TYPES
namespace convmixer::kernels {

/// Rows added up in f32 before the sum goes to double.
inline constexpr std::size_t kRowsInF32 = 16;

/// Pixels of one image: `rows` of them, `stride` elements apart, each with `lanes` channels side by side (a multiple of
/// 16).
struct Pixels {
  std::size_t rows;
  std::size_t stride;
  std::size_t lanes;
};

/// Two sums for each channel.
struct Sums {
  double* first;
  double* second;
};

/// What turns one tensor into another, value by value; each is a vector over the channels.
struct Coefficients {
  float* mean;
  float* gelu_derivative;
  float* offset;
  float* curve;  ///< gradient only
};

}  // namespace convmixer::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace convmixer::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using Floats = hn::CappedTag<float, kGroup>;

template <class V>
void add_lanes(V values, double* sums) {
  const Floats d;
  alignas(64) std::array<float, kGroup> lanes;
  hn::StoreU(values, d, lanes.data());
  for (std::size_t i = 0; i < hn::Lanes(d); ++i) sums[i] += static_cast<double>(lanes[i]);
}

/// Adds value(at) and value(at) * factor(at, lane) over the rows to the sums of each lane.
template <typename Value, typename Factor>
void add_rows(const Pixels& pixels, const Value& value, const Factor& factor, const Sums& sums) {
  const Floats d;
  for (std::size_t begin = 0; begin < pixels.rows; begin += kRowsInF32) {
    const std::size_t end = std::min(pixels.rows, begin + kRowsInF32);
    for (std::size_t lane = 0; lane < pixels.lanes; lane += hn::Lanes(d)) {
      auto first = hn::Zero(d);
      auto second = hn::Zero(d);
      for (std::size_t row = begin; row < end; ++row) {
        const std::size_t at = row * pixels.stride + lane;
        const auto v = value(at, lane);
        first = hn::Add(first, v);
        second = hn::MulAdd(v, factor(at, lane), second);
      }
      add_lanes(first, sums.first + lane);
      add_lanes(second, sums.second + lane);
    }
  }
}

/// Sums of src - origin and of its square.
void moments(const float* src, const Pixels& pixels, const float* origin, const Sums& sums) {
  const Floats d;
  const auto centred = [&](std::size_t at, std::size_t lane) {
    return hn::Sub(hn::LoadU(d, src + at), hn::LoadU(d, origin + lane));
  };
  add_rows(pixels, centred, centred, sums);
}

/// Sums of diff_dst and of diff_dst * (src - mean).
template <typename Element>
void gradient_sums(const float* src, const Element* diff_dst, const Pixels& pixels, const float* mean,
                   const Sums& sums) {
  const Floats d;
  add_rows(
      pixels, [&](std::size_t at, std::size_t /*lane*/) { return load(d, diff_dst + at); },
      [&](std::size_t at, std::size_t lane) { return hn::Sub(hn::LoadU(d, src + at), hn::LoadU(d, mean + lane)); },
      sums);
}
void gradient_sums_f32(const float* src, const float* diff_dst, const Pixels& pixels, const float* mean,
                       const Sums& sums) {
  gradient_sums(src, diff_dst, pixels, mean, sums);
}
void gradient_sums_bf16(const float* src, const std::uint16_t* diff_dst, const Pixels& pixels, const float* mean,
                        const Sums& sums) {
  gradient_sums(src, diff_dst, pixels, mean, sums);
}

/// dst = derivative * (src - mean) + offset.
template <typename Element>
void normalise(const float* src, Element* dst, const Pixels& pixels, const Coefficients& by) {
  const Floats d;
  for (std::size_t row = 0; row < pixels.rows; ++row) {
    for (std::size_t lane = 0; lane < pixels.lanes; lane += hn::Lanes(d)) {
      const std::size_t at = row * pixels.stride + lane;
      const auto centred = hn::Sub(hn::LoadU(d, src + at), hn::LoadU(d, by.mean + lane));
      store(hn::MulAdd(hn::LoadU(d, by.gelu_derivative + lane), centred, hn::LoadU(d, by.offset + lane)), d, dst + at);
    }
  }
}
void normalise_f32(const float* src, float* dst, const Pixels& pixels, const Coefficients& by) {
  normalise(src, dst, pixels, by);
}
void normalise_bf16(const float* src, std::uint16_t* dst, const Pixels& pixels, const Coefficients& by) {
  normalise(src, dst, pixels, by);
}

/// diff_src = derivative * diff_dst + (curve * (src - mean) + offset).
template <typename Element>
void gradient(const float* src, const Element* diff_dst, float* diff_src, const Pixels& pixels,
              const Coefficients& by) {
  const Floats d;
  for (std::size_t row = 0; row < pixels.rows; ++row) {
    for (std::size_t lane = 0; lane < pixels.lanes; lane += hn::Lanes(d)) {
      const std::size_t at = row * pixels.stride + lane;
      const auto centred = hn::Sub(hn::LoadU(d, src + at), hn::LoadU(d, by.mean + lane));
      const auto rest = hn::MulAdd(hn::LoadU(d, by.curve + lane), centred, hn::LoadU(d, by.offset + lane));
      hn::StoreU(hn::MulAdd(hn::LoadU(d, by.gelu_derivative + lane), load(d, diff_dst + at), rest), d, diff_src + at);
    }
  }
}
void gradient_f32(const float* src, const float* diff_dst, float* diff_src, const Pixels& pixels,
                  const Coefficients& by) {
  gradient(src, diff_dst, diff_src, pixels, by);
}
void gradient_bf16(const float* src, const std::uint16_t* diff_dst, float* diff_src, const Pixels& pixels,
                   const Coefficients& by) {
  gradient(src, diff_dst, diff_src, pixels, by);
}

}  // namespace convmixer::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace convmixer::kernels {

HWY_EXPORT(moments);
HWY_EXPORT(gradient_sums_f32);
HWY_EXPORT(gradient_sums_bf16);
HWY_EXPORT(normalise_f32);
HWY_EXPORT(normalise_bf16);
HWY_EXPORT(gradient_f32);
HWY_EXPORT(gradient_bf16);

namespace {

void gradient_sums(const float* src, const float* diff_dst, const Pixels& pixels, const float* mean, const Sums& sums) {
  HWY_DYNAMIC_DISPATCH(gradient_sums_f32)(src, diff_dst, pixels, mean, sums);
}
void gradient_sums(const float* src, const std::uint16_t* diff_dst, const Pixels& pixels, const float* mean,
                   const Sums& sums) {
  HWY_DYNAMIC_DISPATCH(gradient_sums_bf16)(src, diff_dst, pixels, mean, sums);
}
void normalise(const float* src, float* dst, const Pixels& pixels, const Coefficients& by) {
  HWY_DYNAMIC_DISPATCH(normalise_f32)(src, dst, pixels, by);
}
void normalise(const float* src, std::uint16_t* dst, const Pixels& pixels, const Coefficients& by) {
  HWY_DYNAMIC_DISPATCH(normalise_bf16)(src, dst, pixels, by);
}
void gradient(const float* src, const float* diff_dst, float* diff_src, const Pixels& pixels, const Coefficients& by) {
  HWY_DYNAMIC_DISPATCH(gradient_f32)(src, diff_dst, diff_src, pixels, by);
}
void gradient(const float* src, const std::uint16_t* diff_dst, float* diff_src, const Pixels& pixels,
              const Coefficients& by) {
  HWY_DYNAMIC_DISPATCH(gradient_bf16)(src, diff_dst, diff_src, pixels, by);
}

/// Channels in whole groups of 16.
std::size_t padded_channels(std::int64_t channels) {
  return (static_cast<std::size_t>(channels) + kGroup - 1) / kGroup * kGroup;
}

/// The working memory: two sums per image and channel, of which image 0's receive the totals, and the coefficients.
class Working {
 public:
  Working(const TensorView& view, double* memory)
      : images_(static_cast<std::size_t>(view.images)), channels_(padded_channels(view.channels)), memory_(memory) {}

  static std::size_t doubles(const Layout& layout) {
    return (2 * static_cast<std::size_t>(layout.shape()[0]) + 2) * padded_channels(layout.shape()[1]);
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

/// Calls vector(first_channel, offset, pixels) for the parts of an image that vector kernels can work on, and
/// plain(channel, offset) for every value that they can't: the channels past the last whole group of an nhwc tensor,
/// and layouts without 16 channels side by side.
template <typename Vector, typename Plain>
void for_each_part(const TensorView& view, std::int64_t image, const Vector& vector, const Plain& plain) {
  const bool channels_last = view.block == 0 && view.channel_stride == 1;
  std::int64_t channel = 0;
  if (view.block == kGroup) {
    for (; channel < view.channels; channel += std::int64_t{kGroup}) {
      vector(channel, view.offset(image, channel), Pixels{view.rows, view.row_stride, kGroup});
    }
  } else if (channels_last && view.channels >= std::int64_t{kGroup}) {
    const std::size_t lanes = static_cast<std::size_t>(view.channels) / kGroup * kGroup;
    vector(0, view.offset(image, 0), Pixels{view.rows, view.row_stride, lanes});
    channel = static_cast<std::int64_t>(lanes);
  }
  for (; channel < view.channels; ++channel) {
    const std::size_t at = view.offset(image, channel);
    for (std::size_t row = 0; row < view.rows; ++row) plain(channel, at + row * view.row_stride);
  }
}

double inverse_deviation(float variance, float epsilon) {
  return 1.0 / std::sqrt(static_cast<double>(variance) + static_cast<double>(epsilon));
}

double count_of(const TensorView& view) { return static_cast<double>(view.images) * static_cast<double>(view.rows); }

void batch_moments(Runtime& runtime, const TensorView& view, const Working& working, const BatchNormForward& memory) {
  // Moments about a value of the channel itself: about 0, a mean far from 0 would cancel the variance's digits.
  const float* const origin = working.coefficients(0).mean;
  for (std::int64_t c = 0; c < view.channels; ++c) working.coefficients(c).mean[0] = memory.src[view.offset(0, c)];
  runtime.parallel_for(view.images, [&](std::int64_t image) {
    for_each_part(
        view, image,
        [&](std::int64_t first, std::size_t at, const Pixels& pixels) {
          HWY_DYNAMIC_DISPATCH(moments)(memory.src + at, pixels, origin + first, working.sums(image, first));
        },
        [&](std::int64_t c, std::size_t at) {
          const double centred = static_cast<double>(memory.src[at] - origin[c]);
          const Sums sums = working.sums(image, c);
          *sums.first += centred;
          *sums.second += centred * centred;
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

template <typename Element>
void normalise_all(Runtime& runtime, const TensorView& view, const Working& working, float epsilon,
                   const BatchNormForward& memory) {
  auto* const dst = static_cast<Element*>(memory.dst);
  for (std::int64_t c = 0; c < view.channels; ++c) {
    const Coefficients by = working.coefficients(c);
    *by.mean = memory.mean[c];
    *by.gelu_derivative =
        static_cast<float>(static_cast<double>(memory.scale[c]) * inverse_deviation(memory.variance[c], epsilon));
    *by.offset = memory.shift[c];
  }
  runtime.parallel_for(view.images, [&](std::int64_t image) {
    for_each_part(
        view, image,
        [&](std::int64_t first, std::size_t at, const Pixels& pixels) {
          normalise(memory.src + at, dst + at, pixels, working.coefficients(first));
        },
        [&](std::int64_t c, std::size_t at) {
          const Coefficients by = working.coefficients(c);
          from_float(*by.gelu_derivative * (memory.src[at] - *by.mean) + *by.offset, dst[at]);
        });
  });
}

template <typename Element>
void sum_gradient(Runtime& runtime, const TensorView& view, const Working& working, const BatchNormBackward& memory) {
  const auto* const diff_dst = static_cast<const Element*>(memory.diff_dst);
  const float* const mean = working.coefficients(0).mean;
  std::copy_n(memory.mean, view.channels, working.coefficients(0).mean);
  runtime.parallel_for(view.images, [&](std::int64_t image) {
    for_each_part(
        view, image,
        [&](std::int64_t first, std::size_t at, const Pixels& pixels) {
          gradient_sums(memory.src + at, diff_dst + at, pixels, mean + first, working.sums(image, first));
        },
        [&](std::int64_t c, std::size_t at) {
          const double dy = static_cast<double>(to_float(diff_dst[at]));
          const Sums sums = working.sums(image, c);
          *sums.first += dy;
          *sums.second += dy * static_cast<double>(memory.src[at] - mean[c]);
        });
  });
  working.total();
}

template <typename Element>
void gradient_all(Runtime& runtime, const TensorView& view, const Working& working, float epsilon,
                  const BatchNormBackward& memory) {
  const auto* const diff_dst = static_cast<const Element*>(memory.diff_dst);
  sum_gradient<Element>(runtime, view, working, memory);
  for (std::int64_t c = 0; c < view.channels; ++c) {
    const Sums sums = working.sums(0, c);
    const Coefficients by = working.coefficients(c);
    const double inverse = inverse_deviation(memory.variance[c], epsilon);
    const double gelu_derivative = static_cast<double>(memory.scale[c]) * inverse;
    memory.diff_shift[c] = static_cast<float>(*sums.first);
    memory.diff_scale[c] = static_cast<float>(*sums.second * inverse);
    *by.gelu_derivative = static_cast<float>(gelu_derivative);
    *by.curve = static_cast<float>(-gelu_derivative * inverse * inverse * *sums.second / count_of(view));
    *by.offset = static_cast<float>(-gelu_derivative * *sums.first / count_of(view));
  }
  runtime.parallel_for(view.images, [&](std::int64_t image) {
    for_each_part(
        view, image,
        [&](std::int64_t first, std::size_t at, const Pixels& pixels) {
          gradient(memory.src + at, diff_dst + at, memory.diff_src + at, pixels, working.coefficients(first));
        },
        [&](std::int64_t c, std::size_t at) {
          const Coefficients by = working.coefficients(c);
          const float rest = *by.curve * (memory.src[at] - *by.mean) + *by.offset;
          memory.diff_src[at] = *by.gelu_derivative * to_float(diff_dst[at]) + rest;
        });
  });
}

void run_forward(Runtime& runtime, const Layout& src, ElementType dst_type, float epsilon,
                 const BatchNormForward& memory, bool training) {
  const TensorView view(src);
  const Working working(view, memory.working);
  working.clear();
  if (training) batch_moments(runtime, view, working, memory);
  if (dst_type == ElementType::f32) {
    normalise_all<float>(runtime, view, working, epsilon, memory);
  } else {
    normalise_all<std::uint16_t>(runtime, view, working, epsilon, memory);
  }
}

}  // namespace

std::size_t batch_norm_doubles(const Layout& layout) { return Working::doubles(layout); }

void batch_norm_training(Runtime& runtime, const Layout& src, ElementType dst_type, float epsilon,
                         const BatchNormForward& memory) {
  run_forward(runtime, src, dst_type, epsilon, memory, /*training=*/true);
}

void batch_norm_inference(Runtime& runtime, const Layout& src, ElementType dst_type, float epsilon,
                          const BatchNormForward& memory) {
  run_forward(runtime, src, dst_type, epsilon, memory, /*training=*/false);
}

void batch_norm_backward(Runtime& runtime, const Layout& src, ElementType diff_dst_type, float epsilon,
                         const BatchNormBackward& memory) {
  const TensorView view(src);
  const Working working(view, memory.working);
  working.clear();
  if (diff_dst_type == ElementType::f32) {
    gradient_all<float>(runtime, view, working, epsilon, memory);
  } else {
    gradient_all<std::uint16_t>(runtime, view, working, epsilon, memory);
  }
}

}  // namespace convmixer::kernels
#endif
