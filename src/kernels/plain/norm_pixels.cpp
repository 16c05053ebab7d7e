#include "kernels/plain/norm_pixels.hpp"

#include <algorithm>
#include <array>

// Everything between HWY_BEFORE_NAMESPACE and HWY_AFTER_NAMESPACE is compiled once for each instruction set: Highway
// includes this file again for each. The order of these lines matters.
// clang-format off
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/plain/norm_pixels.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include "kernels/plain/element-inl.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace convmixer::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using Floats = hn::CappedTag<float, kGroup>;
using OneFloat = hn::CappedTag<float, 1>;

// Rows added up in f32 before the sum goes to double.
constexpr std::size_t kRowsInF32 = 16;

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

/// Calls a kernel of the section above: for whole groups as this CPU's vectors do it, for a single channel as every CPU
/// does, so that a product and a sum are rounded apart.
#define CONVMIXER_FOR_PIXELS(kernel, pixels) \
  ((pixels).channels == 1 ? HWY_STATIC_DISPATCH(kernel) : HWY_DYNAMIC_DISPATCH(kernel))

void add_moments(const float* src, const Pixels& pixels, const float* origin, const Sums& sums) {
  CONVMIXER_FOR_PIXELS(moments, pixels)(src, pixels, origin, sums);
}

void add_gradient_sums(const float* src, const void* diff_dst, ElementType diff_dst_type, const Pixels& pixels,
                       const float* mean, const Sums& sums) {
  CONVMIXER_FOR_PIXELS(gradient_sums, pixels)(src, diff_dst, diff_dst_type, pixels, mean, sums);
}

void normalise_pixels(const float* src, void* dst, ElementType dst_type, const Pixels& pixels, const Coefficients& by) {
  CONVMIXER_FOR_PIXELS(normalise, pixels)(src, dst, dst_type, pixels, by);
}

void gradient_of_pixels(const float* src, const void* diff_dst, ElementType diff_dst_type, float* diff_src,
                        const Pixels& pixels, const Coefficients& by) {
  CONVMIXER_FOR_PIXELS(gradient, pixels)(src, diff_dst, diff_dst_type, diff_src, pixels, by);
}

#undef CONVMIXER_FOR_PIXELS

}  // namespace convmixer::kernels
#endif
