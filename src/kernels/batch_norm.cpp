#include "kernels/batch_norm.hpp"

#include "kernels/channel_group.hpp"
#include "kernels/tensor_view.hpp"

#include <algorithm>
#include <array>
#include <cmath>

// Everything between HWY_BEFORE_NAMESPACE and HWY_AFTER_NAMESPACE is compiled once for each instruction set: Highway
// includes this file again for each. The order of these lines matters.
// clang-format off
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/batch_norm.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include "kernels/element-inl.h"
// clang-format on

#ifndef CONVMIXER_BATCH_NORM_TYPES
#define CONVMIXER_BATCH_NORM_TYPES
namespace convmixer::kernels {

/// Rows added up in f32 before the sum goes to double.
inline constexpr std::size_t kRowsInF32 = 16;

using GroupFloats = std::array<float, kGroup>;
using GroupDoubles = std::array<double, kGroup>;

/// Two sums per channel of a group.
struct GroupSums {
  GroupDoubles first{};
  GroupDoubles second{};
};

/// Where a group's pixels are: `rows` of them, `stride` elements apart.
struct Rows {
  std::size_t rows;
  std::size_t stride;
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
  alignas(64) GroupFloats lanes;
  hn::StoreU(values, d, lanes.data());
  for (std::size_t i = 0; i < hn::Lanes(d); ++i) sums[i] += static_cast<double>(lanes[i]);
}

/// Adds value(at) and value(at) * factor(at) over the rows, for the channels of a group.
template <typename Value, typename Factor>
void add_rows(const Rows& rows, const Value& value, const Factor& factor, GroupSums& sums) {
  const Floats d;
  for (std::size_t begin = 0; begin < rows.rows; begin += kRowsInF32) {
    const std::size_t end = std::min(rows.rows, begin + kRowsInF32);
    for (std::size_t lane = 0; lane < kGroup; lane += hn::Lanes(d)) {
      auto first = hn::Zero(d);
      auto second = hn::Zero(d);
      for (std::size_t row = begin; row < end; ++row) {
        const std::size_t at = row * rows.stride + lane;
        const auto v = value(at, lane);
        first = hn::Add(first, v);
        second = hn::MulAdd(v, factor(at, lane), second);
      }
      add_lanes(first, sums.first.data() + lane);
      add_lanes(second, sums.second.data() + lane);
    }
  }
}

/// Sums of src - origin and of its square.
void moments(const float* src, const Rows& rows, const GroupFloats& origin, GroupSums& sums) {
  const Floats d;
  const auto centred = [&](std::size_t at, std::size_t lane) {
    return hn::Sub(hn::LoadU(d, src + at), hn::LoadU(d, origin.data() + lane));
  };
  add_rows(rows, centred, centred, sums);
}

/// dst = slope * (src - mean) + offset.
template <typename Element>
void normalise(const float* src, Element* dst, const Rows& rows, const GroupFloats& mean, const GroupFloats& slope,
               const GroupFloats& offset) {
  const Floats d;
  for (std::size_t lane = 0; lane < kGroup; lane += hn::Lanes(d)) {
    const auto m = hn::LoadU(d, mean.data() + lane);
    const auto a = hn::LoadU(d, slope.data() + lane);
    const auto b = hn::LoadU(d, offset.data() + lane);
    for (std::size_t row = 0; row < rows.rows; ++row) {
      const std::size_t at = row * rows.stride + lane;
      store(hn::MulAdd(a, hn::Sub(hn::LoadU(d, src + at), m), b), d, dst + at);
    }
  }
}
void normalise_f32(const float* src, float* dst, const Rows& rows, const GroupFloats& mean, const GroupFloats& slope,
                   const GroupFloats& offset) {
  normalise(src, dst, rows, mean, slope, offset);
}
void normalise_bf16(const float* src, std::uint16_t* dst, const Rows& rows, const GroupFloats& mean,
                    const GroupFloats& slope, const GroupFloats& offset) {
  normalise(src, dst, rows, mean, slope, offset);
}

/// Sums of diff_dst and of diff_dst * (src - mean).
template <typename Element>
void gradient_sums(const float* src, const Element* diff_dst, const Rows& rows, const GroupFloats& mean,
                   GroupSums& sums) {
  const Floats d;
  add_rows(
      rows, [&](std::size_t at, std::size_t /*lane*/) { return load(d, diff_dst + at); },
      [&](std::size_t at, std::size_t lane) {
        return hn::Sub(hn::LoadU(d, src + at), hn::LoadU(d, mean.data() + lane));
      },
      sums);
}
void gradient_sums_f32(const float* src, const float* diff_dst, const Rows& rows, const GroupFloats& mean,
                       GroupSums& sums) {
  gradient_sums(src, diff_dst, rows, mean, sums);
}
void gradient_sums_bf16(const float* src, const std::uint16_t* diff_dst, const Rows& rows, const GroupFloats& mean,
                        GroupSums& sums) {
  gradient_sums(src, diff_dst, rows, mean, sums);
}

/// diff_src = slope * diff_dst + (curve * (src - mean) + offset).
template <typename Element>
void gradient(const float* src, const Element* diff_dst, float* diff_src, const Rows& rows, const GroupFloats& mean,
              const GroupFloats& slope, const GroupFloats& curve, const GroupFloats& offset) {
  const Floats d;
  for (std::size_t lane = 0; lane < kGroup; lane += hn::Lanes(d)) {
    const auto m = hn::LoadU(d, mean.data() + lane);
    const auto a = hn::LoadU(d, slope.data() + lane);
    const auto b = hn::LoadU(d, curve.data() + lane);
    const auto c = hn::LoadU(d, offset.data() + lane);
    for (std::size_t row = 0; row < rows.rows; ++row) {
      const std::size_t at = row * rows.stride + lane;
      const auto centred = hn::Sub(hn::LoadU(d, src + at), m);
      hn::StoreU(hn::MulAdd(a, load(d, diff_dst + at), hn::MulAdd(b, centred, c)), d, diff_src + at);
    }
  }
}
void gradient_f32(const float* src, const float* diff_dst, float* diff_src, const Rows& rows, const GroupFloats& mean,
                  const GroupFloats& slope, const GroupFloats& curve, const GroupFloats& offset) {
  gradient(src, diff_dst, diff_src, rows, mean, slope, curve, offset);
}
void gradient_bf16(const float* src, const std::uint16_t* diff_dst, float* diff_src, const Rows& rows,
                   const GroupFloats& mean, const GroupFloats& slope, const GroupFloats& curve,
                   const GroupFloats& offset) {
  gradient(src, diff_dst, diff_src, rows, mean, slope, curve, offset);
}

}  // namespace convmixer::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace convmixer::kernels {

HWY_EXPORT(moments);
HWY_EXPORT(normalise_f32);
HWY_EXPORT(normalise_bf16);
HWY_EXPORT(gradient_sums_f32);
HWY_EXPORT(gradient_sums_bf16);
HWY_EXPORT(gradient_f32);
HWY_EXPORT(gradient_bf16);

namespace {

Rows rows_of(const ChannelGroup& group) { return {group.rows, group.stride}; }

/// A group's part of a vector over the channels; zeros in place of padding.
GroupFloats group_of(const float* values, const ChannelGroup& group) {
  GroupFloats result{};
  std::copy_n(values + group.first, group.count, result.begin());
  return result;
}

/// Two sums for each channel, by image in `working`; image 0's place receives the totals.
class ChannelSums {
 public:
  ChannelSums(const TensorView& view, double* working) : view_(view), working_(working) {}

  void set(std::int64_t image, const ChannelGroup& group, const GroupSums& sums) const {
    for (std::size_t lane = 0; lane < group.count; ++lane) {
      double* const place = at(image, group.first + static_cast<std::int64_t>(lane));
      place[0] = sums.first[lane];
      place[1] = sums.second[lane];
    }
  }

  /// Adds the images up, in their order.
  void total() const {
    for (std::int64_t channel = 0; channel < view_.channels; ++channel) {
      for (std::int64_t image = 1; image < view_.images; ++image) {
        at(0, channel)[0] += at(image, channel)[0];
        at(0, channel)[1] += at(image, channel)[1];
      }
    }
  }

  [[nodiscard]] double first(std::int64_t channel) const { return at(0, channel)[0]; }
  [[nodiscard]] double second(std::int64_t channel) const { return at(0, channel)[1]; }

 private:
  [[nodiscard]] double* at(std::int64_t image, std::int64_t channel) const {
    return working_ + 2 * (image * view_.channels + channel);
  }

  const TensorView& view_;
  double* working_;
};

double inverse_deviation(float variance, float epsilon) {
  return 1.0 / std::sqrt(static_cast<double>(variance) + static_cast<double>(epsilon));
}

double count_of(const TensorView& view) { return static_cast<double>(view.images) * static_cast<double>(view.rows); }

void batch_moments(Runtime& runtime, const TensorView& view, const BatchNormForward& memory) {
  const ChannelSums sums(view, memory.working);
  // Moments about a value of the channel itself: about 0, a mean far from 0 would cancel the variance's digits.
  // `mean` holds that value until the mean takes its place.
  for (std::int64_t c = 0; c < view.channels; ++c) memory.mean[c] = memory.src[view.offset(0, c)];
  runtime.parallel_for(view.images, [&](std::int64_t image) {
    for_each_group(view, image, [&](const ChannelGroup& group) {
      const GroupFloats origin = group_of(memory.mean, group);
      GroupSums group_sums;
      if (group.whole) {
        HWY_DYNAMIC_DISPATCH(moments)(memory.src + group.at, rows_of(group), origin, group_sums);
      } else {
        for_each_value(view, image, group, [&](std::size_t lane, std::size_t at) {
          const double centred = static_cast<double>(memory.src[at] - origin[lane]);
          group_sums.first[lane] += centred;
          group_sums.second[lane] += centred * centred;
        });
      }
      sums.set(image, group, group_sums);
    });
  });
  sums.total();
  for (std::int64_t c = 0; c < view.channels; ++c) {
    const double offset = sums.first(c) / count_of(view);
    memory.mean[c] = static_cast<float>(static_cast<double>(memory.mean[c]) + offset);
    memory.variance[c] = static_cast<float>(std::max(0.0, sums.second(c) / count_of(view) - offset * offset));
  }
}

void normalise_group(const float* src, float* dst, const Rows& rows, const GroupFloats& mean, const GroupFloats& slope,
                     const GroupFloats& offset) {
  HWY_DYNAMIC_DISPATCH(normalise_f32)(src, dst, rows, mean, slope, offset);
}
void normalise_group(const float* src, std::uint16_t* dst, const Rows& rows, const GroupFloats& mean,
                     const GroupFloats& slope, const GroupFloats& offset) {
  HWY_DYNAMIC_DISPATCH(normalise_bf16)(src, dst, rows, mean, slope, offset);
}

template <typename Element>
void normalise_all(Runtime& runtime, const TensorView& view, float epsilon, const BatchNormForward& memory) {
  auto* const dst = static_cast<Element*>(memory.dst);
  runtime.parallel_for(view.images, [&](std::int64_t image) {
    for_each_group(view, image, [&](const ChannelGroup& group) {
      const GroupFloats mean = group_of(memory.mean, group);
      const GroupFloats variance = group_of(memory.variance, group);
      const GroupFloats offset = group_of(memory.shift, group);
      GroupFloats slope = group_of(memory.scale, group);
      for (std::size_t lane = 0; lane < group.count; ++lane) {
        slope[lane] = static_cast<float>(static_cast<double>(slope[lane]) * inverse_deviation(variance[lane], epsilon));
      }
      if (group.whole) {
        normalise_group(memory.src + group.at, dst + group.at, rows_of(group), mean, slope, offset);
      } else {
        for_each_value(view, image, group, [&](std::size_t lane, std::size_t at) {
          from_float(slope[lane] * (memory.src[at] - mean[lane]) + offset[lane], dst[at]);
        });
      }
    });
  });
}

void gradient_sums_group(const float* src, const float* diff_dst, const Rows& rows, const GroupFloats& mean,
                         GroupSums& sums) {
  HWY_DYNAMIC_DISPATCH(gradient_sums_f32)(src, diff_dst, rows, mean, sums);
}
void gradient_sums_group(const float* src, const std::uint16_t* diff_dst, const Rows& rows, const GroupFloats& mean,
                         GroupSums& sums) {
  HWY_DYNAMIC_DISPATCH(gradient_sums_bf16)(src, diff_dst, rows, mean, sums);
}
void gradient_group(const float* src, const float* diff_dst, float* diff_src, const Rows& rows, const GroupFloats& mean,
                    const GroupFloats& slope, const GroupFloats& curve, const GroupFloats& offset) {
  HWY_DYNAMIC_DISPATCH(gradient_f32)(src, diff_dst, diff_src, rows, mean, slope, curve, offset);
}
void gradient_group(const float* src, const std::uint16_t* diff_dst, float* diff_src, const Rows& rows,
                    const GroupFloats& mean, const GroupFloats& slope, const GroupFloats& curve,
                    const GroupFloats& offset) {
  HWY_DYNAMIC_DISPATCH(gradient_bf16)(src, diff_dst, diff_src, rows, mean, slope, curve, offset);
}

template <typename Element>
ChannelSums sum_gradient(Runtime& runtime, const TensorView& view, const BatchNormBackward& memory) {
  const auto* const diff_dst = static_cast<const Element*>(memory.diff_dst);
  const ChannelSums sums(view, memory.working);
  runtime.parallel_for(view.images, [&](std::int64_t image) {
    for_each_group(view, image, [&](const ChannelGroup& group) {
      const GroupFloats mean = group_of(memory.mean, group);
      GroupSums group_sums;
      if (group.whole) {
        gradient_sums_group(memory.src + group.at, diff_dst + group.at, rows_of(group), mean, group_sums);
      } else {
        for_each_value(view, image, group, [&](std::size_t lane, std::size_t at) {
          const double dy = static_cast<double>(to_float(diff_dst[at]));
          group_sums.first[lane] += dy;
          group_sums.second[lane] += dy * static_cast<double>(memory.src[at] - mean[lane]);
        });
      }
      sums.set(image, group, group_sums);
    });
  });
  sums.total();
  return sums;
}

template <typename Element>
void gradient_all(Runtime& runtime, const TensorView& view, float epsilon, const BatchNormBackward& memory) {
  const auto* const diff_dst = static_cast<const Element*>(memory.diff_dst);
  const ChannelSums sums = sum_gradient<Element>(runtime, view, memory);
  for (std::int64_t c = 0; c < view.channels; ++c) {
    memory.diff_shift[c] = static_cast<float>(sums.first(c));
    memory.diff_scale[c] = static_cast<float>(sums.second(c) * inverse_deviation(memory.variance[c], epsilon));
  }
  runtime.parallel_for(view.images, [&](std::int64_t image) {
    for_each_group(view, image, [&](const ChannelGroup& group) {
      const GroupFloats mean = group_of(memory.mean, group);
      GroupFloats slope{};
      GroupFloats curve{};
      GroupFloats offset{};
      for (std::size_t lane = 0; lane < group.count; ++lane) {
        const std::int64_t c = group.first + static_cast<std::int64_t>(lane);
        const double inverse = inverse_deviation(memory.variance[c], epsilon);
        const double factor = static_cast<double>(memory.scale[c]) * inverse;
        slope[lane] = static_cast<float>(factor);
        curve[lane] = static_cast<float>(-factor * inverse * inverse * sums.second(c) / count_of(view));
        offset[lane] = static_cast<float>(-factor * sums.first(c) / count_of(view));
      }
      if (group.whole) {
        gradient_group(memory.src + group.at, diff_dst + group.at, memory.diff_src + group.at, rows_of(group), mean,
                       slope, curve, offset);
      } else {
        for_each_value(view, image, group, [&](std::size_t lane, std::size_t at) {
          const float rest = curve[lane] * (memory.src[at] - mean[lane]) + offset[lane];
          memory.diff_src[at] = slope[lane] * to_float(diff_dst[at]) + rest;
        });
      }
    });
  });
}

}  // namespace

std::size_t batch_norm_doubles(const Layout& layout) {
  return static_cast<std::size_t>(2 * layout.shape()[0] * layout.shape()[1]);
}

void batch_norm_training(Runtime& runtime, const Layout& src, ElementType dst_type, float epsilon,
                         const BatchNormForward& memory) {
  batch_moments(runtime, TensorView(src), memory);
  batch_norm_inference(runtime, src, dst_type, epsilon, memory);
}

void batch_norm_inference(Runtime& runtime, const Layout& src, ElementType dst_type, float epsilon,
                          const BatchNormForward& memory) {
  const TensorView view(src);
  if (dst_type == ElementType::f32) {
    normalise_all<float>(runtime, view, epsilon, memory);
  } else {
    normalise_all<std::uint16_t>(runtime, view, epsilon, memory);
  }
}

void batch_norm_backward(Runtime& runtime, const Layout& src, ElementType diff_dst_type, float epsilon,
                         const BatchNormBackward& memory) {
  const TensorView view(src);
  if (diff_dst_type == ElementType::f32) {
    gradient_all<float>(runtime, view, epsilon, memory);
  } else {
    gradient_all<std::uint16_t>(runtime, view, epsilon, memory);
  }
}

}  // namespace convmixer::kernels
#endif
