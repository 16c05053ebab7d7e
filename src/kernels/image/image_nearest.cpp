#include "kernels/image/image_nearest.hpp"

#include <algorithm>
#include <array>
#include <cstring>

// Everything between HWY_BEFORE_NAMESPACE and HWY_AFTER_NAMESPACE is compiled once for each instruction set: Highway
// includes this file again for each. The order of these lines matters.
// clang-format off
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/image/image_nearest.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#ifndef CONVMIXER_IMAGE_NEAREST_TYPES
#define CONVMIXER_IMAGE_NEAREST_TYPES
namespace convmixer::kernels {

/// Pixels of a row whose sources are computed together; a multiple of any vector's lanes.
inline constexpr std::size_t kNearestChunk = 256;
using Sources = std::array<std::int32_t, kNearestChunk>;

}  // namespace convmixer::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace convmixer::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// The place of the source in its plane for `count` pixels of a row, the first coming from (x, y); -1 outside. Rounds
/// `count` up to whole vectors.
void find_sources(std::int32_t x, std::int32_t y, std::int32_t step_x, std::int32_t step_y, std::int32_t height,
                  std::int32_t width, std::size_t count, std::int32_t* sources) {
  const hn::ScalableTag<std::int32_t> d;
  const hn::RebindToUnsigned<decltype(d)> u;  // sums and products wrap around
  const auto at = hn::Iota(u, 0);
  auto source_x = hn::BitCast(d, hn::Add(hn::Set(u, static_cast<std::uint32_t>(x)),
                                         hn::Mul(at, hn::Set(u, static_cast<std::uint32_t>(step_x)))));
  auto source_y = hn::BitCast(d, hn::Add(hn::Set(u, static_cast<std::uint32_t>(y)),
                                         hn::Mul(at, hn::Set(u, static_cast<std::uint32_t>(step_y)))));
  const auto lanes = static_cast<std::uint32_t>(hn::Lanes(d));
  const auto advance_x = hn::BitCast(d, hn::Set(u, lanes * static_cast<std::uint32_t>(step_x)));
  const auto advance_y = hn::BitCast(d, hn::Set(u, lanes * static_cast<std::uint32_t>(step_y)));
  const auto minus_one = hn::Set(d, -1);
  for (std::size_t i = 0; i < count; i += lanes) {
    const auto cell_x = hn::ShiftRight<16>(source_x);
    const auto cell_y = hn::ShiftRight<16>(source_y);
    const auto inside = hn::And(hn::And(hn::Gt(cell_x, minus_one), hn::Lt(cell_x, hn::Set(d, width))),
                                hn::And(hn::Gt(cell_y, minus_one), hn::Lt(cell_y, hn::Set(d, height))));
    const auto place = hn::Add(hn::Mul(cell_y, hn::Set(d, width)), cell_x);
    hn::StoreU(hn::IfThenElse(inside, place, minus_one), d, sources + i);
    source_x = hn::Add(source_x, advance_x);
    source_y = hn::Add(source_y, advance_y);
  }
}

}  // namespace convmixer::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace convmixer::kernels {

namespace {

HWY_EXPORT(find_sources);

std::int32_t wrapped(std::int32_t from, std::int32_t step, std::size_t steps) {
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(from) +
                                   static_cast<std::uint32_t>(step) * static_cast<std::uint32_t>(steps));
}

/// A plane's size and the number of planes.
struct Planes {
  std::size_t channels;
  std::int32_t height;
  std::int32_t width;
  [[nodiscard]] std::size_t plane() const { return static_cast<std::size_t>(height) * static_cast<std::size_t>(width); }
};

/// A row of the output that is a stretch of one row of the input.
void copy_stretch(std::int32_t x, std::int32_t y, const Planes& size, const std::uint8_t* image, std::uint8_t* out) {
  const std::int32_t shift = x >> 16;
  const std::int32_t from_y = y >> 16;
  if (from_y < 0 || from_y >= size.height) return;
  const std::int32_t begin = std::max(0, -shift);
  const std::int32_t end = std::min(size.width, size.width - shift);
  if (begin >= end) return;
  const std::uint8_t* from =
      image + static_cast<std::size_t>(from_y) * static_cast<std::size_t>(size.width) + (begin + shift);
  for (std::size_t channel = 0; channel < size.channels; ++channel, from += size.plane())
    std::memcpy(out + channel * size.plane() + begin, from, static_cast<std::size_t>(end - begin));
}

/// Pixels of a row from a chunk's sources. Those from inside are one stretch, for the inside is convex.
void copy_sources(const Sources& sources, std::size_t count, const Planes& size, const std::uint8_t* image,
                  std::uint8_t* out) {
  std::size_t begin = 0;
  std::size_t end = count;
  while (begin < end && sources[begin] < 0) ++begin;
  while (begin < end && sources[end - 1] < 0) --end;
  const std::size_t plane = size.plane();
  if (size.channels == 3) {
    for (std::size_t i = begin; i < end; ++i) {
      const std::uint8_t* const from = image + sources[i];
      out[i] = from[0];
      out[plane + i] = from[plane];
      out[2 * plane + i] = from[2 * plane];
    }
    return;
  }
  for (std::size_t channel = 0; channel < size.channels; ++channel) {
    for (std::size_t i = begin; i < end; ++i)
      out[channel * plane + i] = image[channel * plane + static_cast<std::size_t>(sources[i])];
  }
}

}  // namespace

void transform_fixed(const FixedAffine& affine, const std::uint8_t* image, std::size_t channels, std::int32_t height,
                     std::int32_t width, std::uint8_t* out) {
  const Planes size{channels, height, width};
  const auto columns = static_cast<std::size_t>(width);
  alignas(64) Sources sources;
  for (std::size_t y = 0; y < static_cast<std::size_t>(height); ++y, out += columns) {
    const std::int32_t row_x = wrapped(affine.x, affine.row_x, y);
    const std::int32_t row_y = wrapped(affine.y, affine.row_y, y);
    if (affine.step_x == 65536 && affine.step_y == 0) {
      copy_stretch(row_x, row_y, size, image, out);
      continue;
    }
    for (std::size_t x = 0; x < columns; x += kNearestChunk) {
      const std::size_t count = std::min(kNearestChunk, columns - x);
      HWY_DYNAMIC_DISPATCH(find_sources)
      (wrapped(row_x, affine.step_x, x), wrapped(row_y, affine.step_y, x), affine.step_x, affine.step_y, height, width,
       count, sources.data());
      copy_sources(sources, count, size, image, out + x);
    }
  }
}

}  // namespace convmixer::kernels
#endif
