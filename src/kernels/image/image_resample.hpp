/// Weighted sums of neighbouring pixels along rows or columns: the two passes of a resize. Weights are fixed point with
/// 22 bits, as PIL's:  out = (2^21 + sum over k < taps of weight[k] * pixel[first + k]) >> 22, clipped to 0..255.
/// Compilers can't vectorise a row's windows, which begin anywhere; here four windows at a time come out of one
/// shuffled vector of 16 pixels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace convmixer::kernels {

inline constexpr int kResampleBits = 22;
/// Windows of a row that are computed together.
inline constexpr std::size_t kResampleGroup = 4;

/// Where the pixels of one axis come from; all windows lie inside the input.
struct ResampleWindows {
  std::size_t taps;
  std::span<const std::int32_t> first;   ///< (out)
  std::span<const std::int32_t> weight;  ///< (out, taps)
};

/// The same for rows, arranged for groups of kResampleGroup windows; `out` is rounded up to whole groups, those beyond
/// the last being like the last.
struct GroupedWindows {
  std::size_t taps = 0;
  std::span<const std::int32_t> start;   ///< (groups): the first pixel that a group reads; 16 pixels from it hold all
  std::span<const std::uint8_t> offset;  ///< (groups, 4): of a window's first pixel from there
  std::span<const std::int32_t> weight;  ///< (groups, taps, 4)
};

/// Makes rows of `out_width` pixels from `rows` rows, `stride` bytes apart. `windows` describes every window; `grouped`
/// is empty where groups don't fit into 16 pixels. `to` may not overlap `from`, nothing beyond its rows is written.
void resample_rows(const std::uint8_t* from, std::size_t stride, std::size_t rows, const ResampleWindows& windows,
                   const GroupedWindows& grouped, std::size_t out_width, std::uint8_t* to);

/// Makes `out_height` rows of `width` pixels from rows `stride` bytes apart.
void resample_columns(const std::uint8_t* from, std::size_t stride, std::size_t width, const ResampleWindows& windows,
                      std::size_t out_height, std::uint8_t* to);

}  // namespace convmixer::kernels
