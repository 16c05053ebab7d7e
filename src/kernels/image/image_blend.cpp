#include "kernels/image/image_blend.hpp"

#include <algorithm>
#include <array>

// Everything between HWY_BEFORE_NAMESPACE and HWY_AFTER_NAMESPACE is compiled once for each instruction set: Highway
// includes this file again for each. The order of these lines matters.
// clang-format off
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/image/image_blend.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include "kernels/image/byte_vectors-inl.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace convmixer::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// `from` and `to` hold integers from 0 to 255.
template <class D, class V = hn::Vec<hn::Rebind<std::int32_t, D>>>
HWY_INLINE V blend(D d, V from, V to, hn::Vec<D> factor) {
  const hn::RebindToSigned<D> integers;
  const auto difference = hn::ConvertTo(d, hn::Sub(to, from));
  const auto value = hn::Add(hn::ConvertTo(d, from), hn::Mul(factor, difference));
  const auto clipped = hn::Min(hn::Max(value, hn::Zero(d)), hn::Set(d, 255.0F));
  return hn::ConvertTo(integers, clipped);
}

void blend_constant(std::uint8_t constant, const std::uint8_t* image, std::size_t count, float factor,
                    std::uint8_t* out) {
  for_each_vector(count, [&](auto d, std::size_t i) HWY_ATTR {
    const hn::RebindToSigned<decltype(d)> integers;
    const auto from = hn::Set(integers, constant);
    store_bytes(integers, blend(d, from, load_bytes(integers, image + i), hn::Set(d, factor)), out + i);
  });
}

template <class D, class V = hn::Vec<D>>
HWY_INLINE V grey(D integers, const std::uint8_t* red, const std::uint8_t* green, const std::uint8_t* blue) {
  const auto weighted = [&](const std::uint8_t* plane, std::int32_t weight)
                            HWY_ATTR { return hn::Mul(load_bytes(integers, plane), hn::Set(integers, weight)); };
  const auto sum = hn::Add(hn::Add(weighted(red, 19595), weighted(green, 38470)),
                           hn::Add(weighted(blue, 7471), hn::Set(integers, 32768)));
  return hn::ShiftRight<16>(sum);  // at most 2^24: no sign bit
}

void blend_grey(const std::uint8_t* image, std::size_t plane, float factor, std::uint8_t* out) {
  for_each_vector(plane, [&](auto d, std::size_t i) HWY_ATTR {
    const hn::RebindToSigned<decltype(d)> integers;
    const auto from = grey(integers, image + i, image + plane + i, image + 2 * plane + i);
    for (std::size_t at = i; at < 3 * plane; at += plane)
      store_bytes(integers, blend(d, from, load_bytes(integers, image + at), hn::Set(d, factor)), out + at);
  });
}

std::uint64_t grey_sum(const std::uint8_t* image, std::size_t plane) {
  const hn::ScalableTag<std::int32_t> integers;
  const std::size_t lanes = hn::Lanes(integers);
  constexpr std::size_t kMost = std::size_t{1} << 20;  // vectors whose lanes' sum still fits
  std::uint64_t sum = 0;
  std::size_t i = 0;
  while (i + lanes <= plane) {
    auto sums = hn::Zero(integers);
    const std::size_t end = std::min(plane / lanes * lanes, i + kMost * lanes);
    for (; i < end; i += lanes)
      sums = hn::Add(sums, grey(integers, image + i, image + plane + i, image + 2 * plane + i));
    alignas(64) std::array<std::int32_t, HWY_MAX_BYTES / 4> lane_sums;
    hn::StoreU(sums, integers, lane_sums.data());
    for (std::size_t lane = 0; lane < lanes; ++lane) sum += static_cast<std::uint64_t>(lane_sums[lane]);
  }
  const hn::CappedTag<std::int32_t, 1> one;
  for (; i < plane; ++i)
    sum += static_cast<std::uint64_t>(hn::GetLane(grey(one, image + i, image + plane + i, image + 2 * plane + i)));
  return sum;
}

void blend_smooth(const std::uint8_t* above, const std::uint8_t* row, const std::uint8_t* below, std::size_t width,
                  float factor, std::uint8_t* out) {
  for_each_vector(width - 2, [&](auto d, std::size_t i) HWY_ATTR {
    const hn::RebindToSigned<decltype(d)> integers;
    const auto sum_of_three = [&](const std::uint8_t* from) HWY_ATTR {
      return hn::Add(hn::Add(load_bytes(integers, from + i), load_bytes(integers, from + i + 1)),
                     load_bytes(integers, from + i + 2));
    };
    const auto here = load_bytes(integers, row + i + 1);
    const auto sum =
        hn::Add(hn::Add(sum_of_three(above), sum_of_three(below)), hn::Add(sum_of_three(row), hn::ShiftLeft<2>(here)));
    // sum / 13, rounded, is (2 sum + 13) / 26: never half-way, so that PIL's f32 rounds to the same. The product with
    // 2^20 / 26, rounded up, is exact for all numerators below 2^18; they are below 2^13.
    const auto numerator = hn::Add(hn::ShiftLeft<1>(sum), hn::Set(integers, 13));
    const auto smooth = hn::ShiftRight<20>(hn::Mul(numerator, hn::Set(integers, 40330)));
    store_bytes(integers, blend(d, smooth, here, hn::Set(d, factor)), out + i + 1);
  });
}

}  // namespace convmixer::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace convmixer::kernels {

namespace {
HWY_EXPORT(blend_constant);
HWY_EXPORT(blend_grey);
HWY_EXPORT(grey_sum);
HWY_EXPORT(blend_smooth);
}  // namespace

void blend_with_constant(std::uint8_t constant, const std::uint8_t* image, std::size_t count, float factor,
                         std::uint8_t* out) {
  HWY_DYNAMIC_DISPATCH(blend_constant)(constant, image, count, factor, out);
}

void blend_with_grey(const std::uint8_t* image, std::size_t plane, float factor, std::uint8_t* out) {
  HWY_DYNAMIC_DISPATCH(blend_grey)(image, plane, factor, out);
}

std::uint64_t sum_of_greys(const std::uint8_t* image, std::size_t plane) {
  return HWY_DYNAMIC_DISPATCH(grey_sum)(image, plane);
}

void blend_with_smooth(const std::uint8_t* above, const std::uint8_t* row, const std::uint8_t* below, std::size_t width,
                       float factor, std::uint8_t* out) {
  HWY_DYNAMIC_DISPATCH(blend_smooth)(above, row, below, width, factor, out);
}

}  // namespace convmixer::kernels
#endif
