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
using HalfGroup = hn::CappedTag<float, kHalfGroup>;
using OneFloat = hn::CappedTag<float, 1>;

// Rows added up in f32 before the sum goes to double.
constexpr std::size_t kRowsInF32 = 16;

/// Calls body(tag) with a tag of vectors that fill the channels, one lane for a single channel.
template <typename Body>
void with_lanes(const Pixels& pixels, const Body& body) {
  if (pixels.channels == 1) {
    body(OneFloat());
  } else if (pixels.channels == kHalfGroup) {
    body(HalfGroup());
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

/// Calls body(at, a vector of each of the coefficients) for every vector of every pixel.
template <class D, typename Body, typename... Arrays>
HWY_INLINE void for_each_vector(D d, const Pixels& pixels, const Body& body, const Arrays*... coefficients) {
  const auto for_each_row = [&](auto... vectors) HWY_ATTR {
    for (std::size_t row = 0; row < pixels.rows; ++row) body(pixels.at + row * pixels.stride, vectors...);
  };
  if (pixels.channels == hn::Lanes(d)) return for_each_row(hn::LoadU(d, coefficients)...);
  for (std::size_t row = 0; row < pixels.rows; ++row) {
    for (std::size_t channel = 0; channel < pixels.channels; channel += hn::Lanes(d))
      body(pixels.at + row * pixels.stride + channel, hn::LoadU(d, coefficients + channel)...);
  }
}

/// Adds each lane to a sum of its own.
template <class D>
HWY_INLINE void add_lanes(D d, hn::Vec<D> values, double* sums) {
  const hn::CappedTag<double, kGroup> wide;
  const hn::Rebind<float, decltype(wide)> narrow;
  alignas(64) std::array<float, kGroup> lanes;
  hn::StoreU(values, d, lanes.data());
  for (std::size_t i = 0; i < hn::Lanes(d); i += hn::Lanes(wide)) {
    const auto part = hn::PromoteTo(wide, hn::LoadU(narrow, lanes.data() + i));
    hn::StoreU(hn::Add(hn::LoadU(wide, sums + i), part), wide, sums + i);
  }
}

/// Adds value(at, mean) and value(at, mean) * factor(at, mean) over rows to the channels' sums, at a vector of each
/// channel's mean: `rows` rows in each of kChains sums in f32, and those in double. The chains take turns, because an
/// addition waits for the one before it in its own chain alone.
template <std::size_t kChains, class D, typename Value, typename Factor>
HWY_INLINE void add_some_rows(D d, const Pixels& pixels, std::size_t first_row, std::size_t rows, const float* mean,
                              const Value& value, const Factor& factor, const Sums& sums) {
  for (std::size_t channel = 0; channel < pixels.channels; channel += hn::Lanes(d)) {
    const auto means = hn::LoadU(d, mean + channel);
    hn::Vec<D> first[kChains];
    hn::Vec<D> second[kChains];
    for (std::size_t i = 0; i < kChains; ++i) first[i] = second[i] = hn::Zero(d);
    std::size_t at = pixels.at + first_row * pixels.stride + channel;
    for (std::size_t row = 0; row < rows; ++row) {
      HWY_UNROLL(4)  // >= kChains; g++ 12 takes no template argument here
      for (std::size_t i = 0; i < kChains; ++i) {
        const auto v = value(at, means);
        first[i] = hn::Add(first[i], v);
        second[i] = hn::MulAdd(v, factor(at, means), second[i]);
        at += pixels.stride;
      }
    }
    for (std::size_t i = 0; i < kChains; ++i) {
      add_lanes(d, first[i], sums.first + channel);
      add_lanes(d, second[i], sums.second + channel);
    }
  }
}

/// The same over all rows; of a single channel everything in double.
template <class D, typename Value, typename Factor>
HWY_INLINE void add_rows(D d, const Pixels& pixels, const float* mean, const Value& value, const Factor& factor,
                         const Sums& sums) {
  if (pixels.channels == 1) {
    for_each_vector(
        d, pixels,
        [&](std::size_t at, auto means) HWY_ATTR {
          const auto v = static_cast<double>(hn::GetLane(value(at, means)));
          *sums.first += v;
          *sums.second += v * static_cast<double>(hn::GetLane(factor(at, means)));
        },
        mean);
    return;
  }
  std::size_t row = 0;
  // Of more channels the rows lie so far apart that the first-level cache holds no more than one chain's.
  constexpr std::size_t kChains = 4;
  for (; pixels.channels <= kGroup && row + kChains * kRowsInF32 <= pixels.rows; row += kChains * kRowsInF32)
    add_some_rows<kChains>(d, pixels, row, kRowsInF32, mean, value, factor, sums);
  for (; row < pixels.rows; row += kRowsInF32)
    add_some_rows<1>(d, pixels, row, std::min(kRowsInF32, pixels.rows - row), mean, value, factor, sums);
}

/// Sums of src - origin and of its square.
void moments(const float* src, const Pixels& pixels, const float* origin, const Sums& sums) {
  with_lanes(pixels, [&](auto d) HWY_ATTR {
    const auto value = [&](std::size_t at, auto means) HWY_ATTR { return hn::Sub(hn::LoadU(d, src + at), means); };
    add_rows(d, pixels, origin, value, value, sums);
  });
}

/// Sums of diff_dst and of diff_dst * (src - mean).
void gradient_sums(const float* src, const void* diff_dst, ElementType diff_dst_type, const Pixels& pixels,
                   const float* mean, const Sums& sums) {
  with_lanes(pixels, [&](auto d) HWY_ATTR {
    with_elements(diff_dst, diff_dst_type, [&](const auto* dy) HWY_ATTR {
      add_rows(
          d, pixels, mean, [&](std::size_t at, auto /*means*/) HWY_ATTR { return load(d, dy + at); },
          [&](std::size_t at, auto means) HWY_ATTR { return hn::Sub(hn::LoadU(d, src + at), means); }, sums);
    });
  });
}

/// dst = factor * (src - mean) + offset.
void normalise(const float* src, void* dst, ElementType dst_type, const Pixels& pixels, const Coefficients& by) {
  with_lanes(pixels, [&](auto d) HWY_ATTR {
    with_elements(dst, dst_type, [&](auto* y) HWY_ATTR {
      const auto body = [&](std::size_t at, auto mean, auto factor, auto offset) HWY_ATTR {
        store(hn::MulAdd(factor, hn::Sub(hn::LoadU(d, src + at), mean), offset), d, y + at);
      };
      for_each_vector(d, pixels, body, by.mean, by.factor, by.offset);
    });
  });
}

/// diff_src = factor * diff_dst + (src_factor * (src - mean) + offset).
void gradient(const float* src, const void* diff_dst, ElementType diff_dst_type, float* diff_src, const Pixels& pixels,
              const Coefficients& by) {
  with_lanes(pixels, [&](auto d) HWY_ATTR {
    with_elements(diff_dst, diff_dst_type, [&](const auto* dy) HWY_ATTR {
      const auto body = [&](std::size_t at, auto mean, auto factor, auto src_factor, auto offset) HWY_ATTR {
        const auto rest = hn::MulAdd(src_factor, hn::Sub(hn::LoadU(d, src + at), mean), offset);
        hn::StoreU(hn::MulAdd(factor, load(d, dy + at), rest), d, diff_src + at);
      };
      for_each_vector(d, pixels, body, by.mean, by.factor, by.src_factor, by.offset);
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
