// Products of f32 matrices that fit in a core's cache; included once for each instruction set.
#if defined(CONVMIXER_KERNELS_SMALL_PRODUCT_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CONVMIXER_KERNELS_SMALL_PRODUCT_INL_H
#undef CONVMIXER_KERNELS_SMALL_PRODUCT_INL_H
#else
#define CONVMIXER_KERNELS_SMALL_PRODUCT_INL_H
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>

HWY_BEFORE_NAMESPACE();
namespace convmixer::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// The left operand, rows x inner: element (i, k) is at values[i * row_stride + k * inner_stride].
struct LeftMatrix {
  const float* values;
  std::size_t row_stride;
  std::size_t inner_stride;
};

/// A row-major matrix whose rows are `stride` floats apart.
struct RightMatrix {
  const float* values;
  std::size_t stride;
};

enum class Sum { begin, add };

#if HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86
constexpr std::size_t kTileRows = 6;  // 32 registers: 24 sums, 4 of b, one of a
constexpr std::size_t kTileVectors = 4;
#else
constexpr std::size_t kTileRows = 4;  // 16 registers: 8 sums, 2 of b, one of a
constexpr std::size_t kTileVectors = 2;
#endif

/// A tile of kTileRows x kVectors vectors; of its rows, those past `rows` repeat the last and are not stored.
template <std::size_t kVectors, class D>
HWY_INLINE void product_tile(D d, std::size_t rows, std::size_t inner, const LeftMatrix& a, const RightMatrix& b,
                             float* dst, std::size_t dst_stride, Sum sum) {
  const std::size_t lanes = hn::Lanes(d);
  const float* row[kTileRows];
  for (std::size_t i = 0; i < kTileRows; ++i) row[i] = a.values + std::min(i, rows - 1) * a.row_stride;
  hn::Vec<D> sums[kTileRows][kVectors];
  HWY_UNROLL(6)
  for (std::size_t i = 0; i < kTileRows; ++i) {
    HWY_UNROLL(4)
    for (std::size_t j = 0; j < kVectors; ++j) sums[i][j] = hn::Zero(d);
  }
  for (std::size_t k = 0; k < inner; ++k) {
    hn::Vec<D> from_b[kVectors];
    HWY_UNROLL(4)
    for (std::size_t j = 0; j < kVectors; ++j) from_b[j] = hn::LoadU(d, b.values + k * b.stride + j * lanes);
    HWY_UNROLL(6)
    for (std::size_t i = 0; i < kTileRows; ++i) {
      const auto from_a = hn::Set(d, row[i][k * a.inner_stride]);
      HWY_UNROLL(4)
      for (std::size_t j = 0; j < kVectors; ++j) sums[i][j] = hn::MulAdd(from_a, from_b[j], sums[i][j]);
    }
  }
  HWY_UNROLL(6)
  for (std::size_t i = 0; i < kTileRows; ++i) {
    if (i >= rows) continue;
    HWY_UNROLL(4)
    for (std::size_t j = 0; j < kVectors; ++j) {
      float* const to = dst + i * dst_stride + j * lanes;
      hn::StoreU(sum == Sum::add ? hn::Add(hn::LoadU(d, to), sums[i][j]) : sums[i][j], d, to);
    }
  }
}

/// Calls product_tile of that many vectors.
template <std::size_t kVectors, class D>
HWY_INLINE void product_tile_of(std::size_t vectors, D d, std::size_t rows, std::size_t inner, const LeftMatrix& a,
                                const RightMatrix& b, float* dst, std::size_t dst_stride, Sum sum) {
  if constexpr (kVectors > 0) {
    if (vectors == kVectors) return product_tile<kVectors>(d, rows, inner, a, b, dst, dst_stride, sum);
    product_tile_of<kVectors - 1>(vectors, d, rows, inner, a, b, dst, dst_stride, sum);
  }
}

/// dst (rows x columns, rows `dst_stride` floats apart) = a b, or is added to. `columns` is a multiple of 16.
inline void small_product(std::size_t rows, std::size_t columns, std::size_t inner, const LeftMatrix& a,
                          const RightMatrix& b, float* dst, std::size_t dst_stride, Sum sum) {
  const hn::CappedTag<float, 16> d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t vectors = columns / lanes;
  std::size_t tiles = (vectors + kTileVectors - 1) / kTileVectors;
  for (std::size_t column = 0; tiles > 0; --tiles) {
    const std::size_t some = (vectors + tiles - 1) / tiles;  // about equal ones
    for (std::size_t row = 0; row < rows; row += kTileRows) {
      product_tile_of<kTileVectors>(some, d, std::min(kTileRows, rows - row), inner,
                                    {a.values + row * a.row_stride, a.row_stride, a.inner_stride},
                                    {b.values + column, b.stride}, dst + row * dst_stride + column, dst_stride, sum);
    }
    vectors -= some;
    column += some * lanes;
  }
}

}  // namespace convmixer::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per target
