// Matrices transposed, four rows and columns at a time; included once for each instruction set.
#if defined(CONVMIXER_KERNELS_TRANSPOSE_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CONVMIXER_KERNELS_TRANSPOSE_INL_H
#undef CONVMIXER_KERNELS_TRANSPOSE_INL_H
#else
#define CONVMIXER_KERNELS_TRANSPOSE_INL_H
#endif

#include "kernels/plain/channel_group.hpp"
#include "kernels/plain/element-inl.h"

#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>

HWY_BEFORE_NAMESPACE();
namespace convmixer::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

template <typename From, typename To>
void transpose_one_by_one(std::size_t rows, std::size_t columns, const From* src, std::size_t src_stride, To* dst,
                          std::size_t dst_stride) {
  for (std::size_t c = 0; c < columns; ++c) {
    for (std::size_t r = 0; r < rows; ++r) from_float(to_float(src[r * src_stride + c]), dst[c * dst_stride + r]);
  }
}

#if HWY_TARGET == HWY_SCALAR
template <typename From, typename To>
void transpose_matrix(std::size_t rows, std::size_t columns, const From* src, std::size_t src_stride, To* dst,
                      std::size_t dst_stride) {
  transpose_one_by_one(rows, columns, src, src_stride, dst, dst_stride);
}
#else
template <typename From, typename To>
HWY_INLINE void transpose_four_by_four(const From* src, std::size_t src_stride, To* dst, std::size_t dst_stride) {
  const hn::FixedTag<float, 4> d;
  const hn::FixedTag<std::uint64_t, 2> pairs;
  const auto a = load(d, src);
  const auto b = load(d, src + src_stride);
  const auto c = load(d, src + 2 * src_stride);
  const auto e = load(d, src + 3 * src_stride);
  const auto ab_low = hn::BitCast(pairs, hn::InterleaveLower(d, a, b));  // a0 b0 a1 b1
  const auto ab_high = hn::BitCast(pairs, hn::InterleaveUpper(d, a, b));
  const auto ce_low = hn::BitCast(pairs, hn::InterleaveLower(d, c, e));
  const auto ce_high = hn::BitCast(pairs, hn::InterleaveUpper(d, c, e));
  store(hn::BitCast(d, hn::InterleaveLower(pairs, ab_low, ce_low)), d, dst);  // a0 b0 c0 e0
  store(hn::BitCast(d, hn::InterleaveUpper(pairs, ab_low, ce_low)), d, dst + dst_stride);
  store(hn::BitCast(d, hn::InterleaveLower(pairs, ab_high, ce_high)), d, dst + 2 * dst_stride);
  store(hn::BitCast(d, hn::InterleaveUpper(pairs, ab_high, ce_high)), d, dst + 3 * dst_stride);
}

/// dst[c][r] = src[r][c]; rows of src and of dst are `stride` elements apart.
template <typename From, typename To>
void transpose_matrix(std::size_t rows, std::size_t columns, const From* src, std::size_t src_stride, To* dst,
                      std::size_t dst_stride) {
  const std::size_t whole_rows = rows / 4 * 4;
  const std::size_t whole_columns = columns / 4 * 4;
  // In tiles of one cache line of f32 in each direction: rows of dst are often a power of two apart, and lines that
  // were written in part would evict one another.
  constexpr std::size_t kTile = 16;
  for (std::size_t tile_c = 0; tile_c < whole_columns; tile_c += kTile) {
    const std::size_t end_c = std::min(whole_columns, tile_c + kTile);
    for (std::size_t tile_r = 0; tile_r < whole_rows; tile_r += kTile) {
      const std::size_t end_r = std::min(whole_rows, tile_r + kTile);
      for (std::size_t c = tile_c; c < end_c; c += 4) {
        for (std::size_t r = tile_r; r < end_r; r += 4)
          transpose_four_by_four(src + r * src_stride + c, src_stride, dst + c * dst_stride + r, dst_stride);
      }
    }
  }
  transpose_one_by_one(whole_rows, columns - whole_columns, src + whole_columns, src_stride,
                       dst + whole_columns * dst_stride, dst_stride);
  transpose_one_by_one(rows - whole_rows, columns, src + whole_rows * src_stride, src_stride, dst + whole_rows,
                       dst_stride);
}
#endif

}  // namespace convmixer::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per target
