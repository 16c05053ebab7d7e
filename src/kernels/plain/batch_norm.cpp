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

/// Pixels of one image: `rows` of them, `stride` elements apart, the first at offset `at` of the tensor, each with
/// `channels` side by side: a multiple of 16, or 1.
struct Pixels {
  std::size_t at;
  std::size_t rows;
  std::size_t stride;
  std::size_t channels;
};

/// Two sums for each channel.
struct Sums {
  double* first;
  double* second;
};

/// What turns one tensor into another, value by value; each is a vector over the channels.
struct Coefficients {
  float* mean;
  float* factor;
  float* offset;
  float* src_factor;  ///< gradient only
};

}  // namespace convmixer::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace convmixer::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using Floats = hn::CappedTag<float, kGroup>;
using OneFloat = hn::CappedTag<float, 1>;

/// Calls body(tag) with a tag of one lane for a single channel, else with the vectors'.
template <typename Body>
void with_lanes(const Pixels& pixels, const Body& body) {
  if (pixels.channels == 1) {
    body(OneFloat());
  } else {
    body(Floats());
  }
}

/// Calls body(pointer) with the tensor's elements.
template <typename Body>
void with_elements(const void* tensor, ElementType type, const Body& body) {
  if (type == ElementType::f32) {
    body(static_cast<const float*>(tensor));
  } else {
    body(static_cast<const std::uint16_t*>(tensor));
  }
}
template <typename Body>
void with_elements(void* tensor, ElementType type, const Body& body) {
  if (type == ElementType::f32) {
    body(static_cast<float*>(tensor));
  } else {
    body(static_cast<std::uint16_t*>(tensor));
  }
}

/// Calls body(at, channel) for every vector of every pixel.
template <class D, typename Body>
HWY_INLINE void for_each_vector(D d, const Pixels& pixels, const Body& body) {
  for (std::size_t row = 0; row < pixels.rows; ++row) {
    for (std::size_t channel = 0; channel < pixels.channels; channel += hn::Lanes(d)) {
      body(pixels.at + row * pixels.stride + channel, channel);
    }
  }
}

template <class D>
void add_lanes(D d, hn::Vec<D> values, double* sums) {
  alignas(64) std::array<float, kGroup> lanes;
  hn::StoreU(values, d, lanes.data());
  for (std::size_t i = 0; i < hn::Lanes(d); ++i) sums[i] += static_cast<double>(lanes[i]);
}

/// Adds value(at, channel) and value(at, channel) * factor(at, channel) over the rows to the channels' sums: some rows
/// in f32, and those sums in double; of a single channel everything in double.
template <class D, typename Value, typename Factor>
HWY_INLINE void add_rows(D d, const Pixels& pixels, const Value& value, const Factor& factor, const Sums& sums) {
  if (pixels.channels == 1) {
    for_each_vector(d, pixels, [&](std::size_t at, std::size_t channel) {
      const auto v = static_cast<double>(hn::GetLane(value(at, channel)));
      *sums.first += v;
      *sums.second += v * static_cast<double>(hn::GetLane(factor(at, channel)));
    });
    return;
  }
  for (std::size_t begin = 0; begin < pixels.rows; begin += kRowsInF32) {
    const std::size_t end = std::min(pixels.rows, begin + kRowsInF32);
    for (std::size_t channel = 0; channel < pixels.channels; channel += hn::Lanes(d)) {
      auto first = hn::Zero(d);
      auto second = hn::Zero(d);
      for (std::size_t row = begin; row < end; ++row) {
        const std::size_t at = pixels.at + row * pixels.stride + channel;
        const auto v = value(at, channel);
        first = hn::Add(first, v);
        second = hn::MulAdd(v, factor(at, channel), second);
      }
      add_lanes(d, first, sums.first + channel);
      add_lanes(d, second, sums.second + channel);
    }
  }
}

/// src - mean.
template <class D>
HWY_INLINE hn::Vec<D> centred(D d, const float* src, const float* mean) {
  return hn::Sub(hn::LoadU(d, src), hn::LoadU(d, mean));
}

/// Sums of src - origin and of its square.
void moments(const float* src, const Pixels& pixels, const float* origin, const Sums& sums) {
  with_lanes(pixels, [&](auto d) {
    const auto value = [&](std::size_t at, std::size_t channel) { return centred(d, src + at, origin + channel); };
    add_rows(d, pixels, value, value, sums);
  });
}

/// Sums of diff_dst and of diff_dst * (src - mean).
void gradient_sums(const float* src, const void* diff_dst, ElementType diff_dst_type, const Pixels& pixels,
                   const float* mean, const Sums& sums) {
  with_lanes(pixels, [&](auto d) {
    with_elements(diff_dst, diff_dst_type, [&](const auto* dy) {
      add_rows(
          d, pixels, [&](std::size_t at, std::size_t /*channel*/) { return load(d, dy + at); },
          [&](std::size_t at, std::size_t channel) { return centred(d, src + at, mean + channel); }, sums);
    });
  });
}

/// dst = factor * (src - mean) + offset.
void normalise(const float* src, void* dst, ElementType dst_type, const Pixels& pixels, const Coefficients& by) {
  with_lanes(pixels, [&](auto d) {
    with_elements(dst, dst_type, [&](auto* y) {
      for_each_vector(d, pixels, [&](std::size_t at, std::size_t channel) {
        const auto x = centred(d, src + at, by.mean + channel);
        store(hn::MulAdd(hn::LoadU(d, by.factor + channel), x, hn::LoadU(d, by.offset + channel)), d, y + at);
      });
    });
  });
}

/// diff_src = factor * diff_dst + (src_factor * (src - mean) + offset).
void gradient(const float* src, const void* diff_dst, ElementType diff_dst_type, float* diff_src, const Pixels& pixels,
              const Coefficients& by) {
  with_lanes(pixels, [&](auto d) {
    with_elements(diff_dst, diff_dst_type, [&](const auto* dy) {
      for_each_vector(d, pixels, [&](std::size_t at, std::size_t channel) {
        const auto x = centred(d, src + at, by.mean + channel);
        const auto rest = hn::MulAdd(hn::LoadU(d, by.src_factor + channel), x, hn::LoadU(d, by.offset + channel));
        hn::StoreU(hn::MulAdd(hn::LoadU(d, by.factor + channel), load(d, dy + at), rest), d, diff_src + at);
      });
    });
  });
}

}  // namespace convmixer::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace convmixer::kernels {

HWY_EXPORT(moments);
HWY_EXPORT(gradient_sums);
HWY_EXPORT(normalise);
HWY_EXPORT(gradient);

namespace {

/// Calls a kernel of the section above: for whole groups as this CPU's vectors do it, for a single channel as every CPU
/// does, so that a product and a sum are rounded apart.
#define CONVMIXER_FOR_PIXELS(kernel, pixels) \
  ((pixels).channels == 1 ? HWY_STATIC_DISPATCH(kernel) : HWY_DYNAMIC_DISPATCH(kernel))

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

/// Calls body(first_channel, pixels) for the parts of an image: whole groups of channels side by side where the layout
/// has them; single channels else, which are those past the last whole group of an nhwc tensor, and all of layouts
/// without 16 channels side by side.
template <typename Body>
void for_each_part(const TensorView& view, std::int64_t image, const Body& body) {
  const auto part = [&](std::int64_t channel, std::size_t channels) {
    body(channel, Pixels{view.offset(image, channel), view.rows, view.row_stride, channels});
  };
  const bool channels_last = view.block == 0 && view.channel_stride == 1;
  std::int64_t channel = 0;
  if (view.block == kGroup) {
    for (; channel < view.channels; channel += std::int64_t{kGroup}) part(channel, kGroup);
  } else if (channels_last && view.channels >= std::int64_t{kGroup}) {
    const std::size_t whole = static_cast<std::size_t>(view.channels) / kGroup * kGroup;
    part(0, whole);
    channel = static_cast<std::int64_t>(whole);
  }
  for (; channel < view.channels; ++channel) part(channel, 1);
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
    for_each_part(view, image, [&](std::int64_t first, const Pixels& pixels) {
      CONVMIXER_FOR_PIXELS(moments, pixels)(memory.src, pixels, origin + first, working.sums(image, first));
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
      CONVMIXER_FOR_PIXELS(normalise, pixels)
      (memory.src, memory.dst, dst_type, pixels, working.coefficients(first));
    });
  });
}

void sum_gradient(Runtime& runtime, const TensorView& view, const Working& working, ElementType diff_dst_type,
                  const BatchNormBackward& memory) {
  float* const mean = working.coefficients(0).mean;
  std::copy_n(memory.mean, view.channels, mean);
  runtime.parallel_for(view.images, [&](std::int64_t image) {
    for_each_part(view, image, [&](std::int64_t first, const Pixels& pixels) {
      CONVMIXER_FOR_PIXELS(gradient_sums, pixels)
      (memory.src, memory.diff_dst, diff_dst_type, pixels, mean + first, working.sums(image, first));
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
      CONVMIXER_FOR_PIXELS(gradient, pixels)
      (memory.src, memory.diff_dst, diff_dst_type, memory.diff_src, pixels, working.coefficients(first));
    });
  });
}

#undef CONVMIXER_FOR_PIXELS

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
#endif
