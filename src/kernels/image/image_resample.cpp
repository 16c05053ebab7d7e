#include "kernels/image/image_resample.hpp"

#include <algorithm>
#include <array>

// Everything between HWY_BEFORE_NAMESPACE and HWY_AFTER_NAMESPACE is compiled once for each instruction set: Highway
// includes this file again for each. The order of these lines matters.
// clang-format off
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/image/image_resample.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include "kernels/image/byte_vectors-inl.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace convmixer::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET != HWY_SCALAR
/// One group of windows. Each offset stands in the lowest byte of its lane, the others have the highest bit set, which
/// TableLookupBytesOr0 turns into 0: the shuffled bytes are the pixels as 32-bit integers.
void rows_in_groups(const std::uint8_t* from, std::size_t stride, std::size_t rows, const GroupedWindows& windows,
                    std::size_t out_width, std::uint8_t* to) {
  const hn::FixedTag<std::int32_t, 4> integers;
  const hn::FixedTag<std::uint8_t, 16> bytes;
  const hn::Rebind<std::uint8_t, decltype(integers)> four_bytes;
  const auto others = hn::Set(integers, static_cast<std::int32_t>(0x80808000U));
  const std::size_t taps = windows.taps;
  for (std::size_t group = 0; group < windows.start.size(); ++group) {
    const auto first = hn::Or(load_bytes(integers, windows.offset.data() + group * kResampleGroup), others);
    const std::int32_t* const weight = windows.weight.data() + group * taps * kResampleGroup;
    const std::uint8_t* pixels = from + windows.start[group];
    const std::size_t at = group * kResampleGroup;
    const std::size_t count = std::min(kResampleGroup, out_width - at);
    for (std::size_t row = 0; row < rows; ++row, pixels += stride) {
      const auto sixteen = hn::LoadU(bytes, pixels);
      auto offset = first;
      auto sum = hn::Set(integers, 1 << (kResampleBits - 1));
      for (std::size_t k = 0; k < taps; ++k) {
        const auto pixel = hn::BitCast(integers, hn::TableLookupBytesOr0(sixteen, hn::BitCast(bytes, offset)));
        sum = hn::Add(sum, hn::Mul(pixel, hn::LoadU(integers, weight + k * kResampleGroup)));
        offset = hn::Add(offset, hn::Set(integers, 1));
      }
      const auto result = hn::DemoteTo(four_bytes, hn::ShiftRight<kResampleBits>(sum));
      if (count == kResampleGroup) {
        hn::StoreU(result, four_bytes, to + row * out_width + at);
      } else {
        alignas(16) std::array<std::uint8_t, 16> last;
        hn::StoreU(result, four_bytes, last.data());
        std::copy_n(last.data(), count, to + row * out_width + at);
      }
    }
  }
}
#endif

std::uint8_t to_byte(std::int32_t sum) { return static_cast<std::uint8_t>(std::clamp(sum >> kResampleBits, 0, 255)); }

void rows_one_by_one(const std::uint8_t* from, std::size_t stride, std::size_t rows, const ResampleWindows& windows,
                     std::size_t out_width, std::uint8_t* to) {
  for (std::size_t row = 0; row < rows; ++row, from += stride, to += out_width) {
    const std::int32_t* weight = windows.weight.data();
    for (std::size_t x = 0; x < out_width; ++x, weight += windows.taps) {
      const std::uint8_t* const pixel = from + windows.first[x];
      std::int32_t sum = 1 << (kResampleBits - 1);
      for (std::size_t k = 0; k < windows.taps; ++k) sum += pixel[k] * weight[k];
      to[x] = to_byte(sum);
    }
  }
}

void rows(const std::uint8_t* from, std::size_t stride, std::size_t count, const ResampleWindows& windows,
          [[maybe_unused]] const GroupedWindows& grouped, std::size_t out_width, std::uint8_t* to) {
#if HWY_TARGET != HWY_SCALAR
  if (!grouped.start.empty()) return rows_in_groups(from, stride, count, grouped, out_width, to);
#endif
  rows_one_by_one(from, stride, count, windows, out_width, to);
}

void columns(const std::uint8_t* from, std::size_t stride, std::size_t width, const ResampleWindows& windows,
             std::size_t out_height, std::uint8_t* to) {
  const std::int32_t* weight = windows.weight.data();
  for (std::size_t y = 0; y < out_height; ++y, weight += windows.taps, to += width) {
    const std::uint8_t* const row = from + static_cast<std::size_t>(windows.first[y]) * stride;
    for_each_vector(width, [&](auto d, std::size_t x) HWY_ATTR {
      const hn::RebindToSigned<decltype(d)> integers;
      auto sum = hn::Set(integers, 1 << (kResampleBits - 1));
      for (std::size_t k = 0; k < windows.taps; ++k)
        sum = hn::Add(sum, hn::Mul(load_bytes(integers, row + k * stride + x), hn::Set(integers, weight[k])));
      store_bytes(integers, hn::ShiftRight<kResampleBits>(sum), to + x);
    });
  }
}

}  // namespace convmixer::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace convmixer::kernels {

namespace {
HWY_EXPORT(rows);
HWY_EXPORT(columns);
}  // namespace

void resample_rows(const std::uint8_t* from, std::size_t stride, std::size_t rows, const ResampleWindows& windows,
                   const GroupedWindows& grouped, std::size_t out_width, std::uint8_t* to) {
  HWY_DYNAMIC_DISPATCH(rows)(from, stride, rows, windows, grouped, out_width, to);
}

void resample_columns(const std::uint8_t* from, std::size_t stride, std::size_t width, const ResampleWindows& windows,
                      std::size_t out_height, std::uint8_t* to) {
  HWY_DYNAMIC_DISPATCH(columns)(from, stride, width, windows, out_height, to);
}

}  // namespace convmixer::kernels
#endif
