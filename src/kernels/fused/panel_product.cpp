#include "kernels/fused/panel_product.hpp"

#include "convmixer/core/precision.hpp"

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <cstring>

// Compiled once for each instruction set: see batch_norm.cpp. The order of these lines matters.
// clang-format off
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/fused/panel_product.cpp"
#include <hwy/foreach_target.h>
#include <hwy/cache_control.h>
#include <hwy/highway.h>
#include "kernels/fused/stage_word-inl.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace convmixer::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// A register tile is the part of dst whose sums stay in registers while a loop runs along the inner dimension:
//
//                      b: two vectors of a panel's row
//     a: a word       +-------------+-------------+
//     of each row     | sums[0][0]  | sums[0][1]  |  += (a's word in all lanes) * (a vector of b)
//                     | sums[1][0]  | sums[1][1]  |
//                     |     ...     |     ...     |

/// Rows of a register tile: with two vectors each, two of b and one of a they fit into the registers.
constexpr std::size_t kMostRows = HWY_TARGET <= HWY_AVX3 ? 12 : 6;

/// sums += a, a word for all lanes, times two vectors of b. In assembly where the compiler would load many rows' words
/// ahead and spill the sums.
template <class Storage>
HWY_INLINE void multiply_add_row(const float& a, WordVector b0, WordVector b1, WordVector& sum0, WordVector& sum1) {
#if CONVMIXER_NATIVE_BF16
  if constexpr (sizeof(sum0.raw) == 64) {
    WordVector word;
    if constexpr (Storage::kValuesPerWord == 1) {
      asm("vbroadcastss %[a], %[word]\n\tvfmadd231ps %[b0], %[word], %[sum0]\n\tvfmadd231ps %[b1], %[word], %[sum1]"
          : [sum0] "+v"(sum0.raw), [sum1] "+v"(sum1.raw), [word] "=&v"(word.raw)
          : [a] "m"(a), [b0] "v"(b0.raw), [b1] "v"(b1.raw));
    } else {
      asm("vbroadcastss %[a], %[word]\n\tvdpbf16ps %[b0], %[word], %[sum0]\n\tvdpbf16ps %[b1], %[word], %[sum1]"
          : [sum0] "+v"(sum0.raw), [sum1] "+v"(sum1.raw), [word] "=&v"(word.raw)
          : [a] "m"(a), [b0] "v"(b0.raw), [b1] "v"(b1.raw));
    }
    return;
  }
#endif
  const WordVector word = hn::Set(WordFloats(), a);
  sum0 = multiply_add_words<Storage>(word, b0, sum0);
  sum1 = multiply_add_words<Storage>(word, b1, sum1);
}

/// What the sums begin with.
enum class Begin { bias, zero, dst };

/// What a register tile is computed of.
struct Tile {
  const float* a;     // words
  std::size_t block;  // words between channel blocks of a; 0: it lies in one piece
  std::size_t words;  // inner words in all
  const float* b;
  Begin begin;
  const float* bias;
  float* dst;  // rows of 32
};

/// `kRows` rows of two vectors. a's words lie `kRow` apart from row to row and `kStep` along the inner dimension, of
/// which `kBlock` words (a power of two; 0: all) make a block; b's rows lie `kBRow` apart. One plain loop: with any
/// more around the sums the compiler spills them.
template <class Storage, std::size_t kRows, std::size_t kRow, std::size_t kStep, std::size_t kBlock, std::size_t kBRow>
HWY_INLINE void multiply_tile(const Tile& tile) {
  const WordFloats d;
  const std::size_t lanes = hn::Lanes(d);
  WordVector sums[kRows][2];
  HWY_UNROLL(12)
  for (std::size_t r = 0; r < kRows; ++r) {
    if (tile.begin == Begin::bias) {
      sums[r][0] = hn::LoadU(d, tile.bias);
      sums[r][1] = hn::LoadU(d, tile.bias + lanes);
    } else {
      sums[r][0] = hn::Zero(d);
      sums[r][1] = hn::Zero(d);
    }
  }
  if (tile.begin == Begin::dst) {  // added in the end: until then it has come
    for (std::size_t r = 0; r < kRows; ++r) {
      hwy::Prefetch(tile.dst + r * kChannelBlock);
      hwy::Prefetch(tile.dst + r * kChannelBlock + lanes);
    }
  }
  const float* a = tile.a;
  const float* b = tile.b;
  const std::size_t jump = tile.block - kBlock * kStep;
  for (std::size_t word = 1; word <= tile.words; ++word) {
    const WordVector b0 = hn::LoadU(d, b);
    const WordVector b1 = hn::LoadU(d, b + lanes);
    HWY_UNROLL(12)
    for (std::size_t r = 0; r < kRows; ++r) multiply_add_row<Storage>(a[r * kRow], b0, b1, sums[r][0], sums[r][1]);
    a += kStep;
    b += kBRow;
    if constexpr (kBlock > 0) {
      if (word % kBlock == 0) a += jump;
    }
  }
  HWY_UNROLL(12)
  for (std::size_t r = 0; r < kRows; ++r) {
    float* const dst = tile.dst + r * kChannelBlock;
    if (tile.begin == Begin::dst) {
      sums[r][0] = hn::Add(sums[r][0], hn::LoadU(d, dst));
      sums[r][1] = hn::Add(sums[r][1], hn::LoadU(d, dst + lanes));
    }
    hn::StoreU(sums[r][0], d, dst);
    hn::StoreU(sums[r][1], d, dst + lanes);
  }
}

/// multiply_tile() with the number of rows, 1 to kMostRows, known when the code is compiled.
template <class Storage, std::size_t kRow, std::size_t kStep, std::size_t kBlock, std::size_t kBRow,
          std::size_t kRows = kMostRows>
HWY_INLINE void multiply_rows_of(std::size_t rows, const Tile& tile) {
  if constexpr (kRows > 0) {
    if (rows == kRows) return multiply_tile<Storage, kRows, kRow, kStep, kBlock, kBRow>(tile);
    multiply_rows_of<Storage, kRow, kStep, kBlock, kBRow, kRows - 1>(rows, tile);
  }
}

/// Columns that a register tile takes.
HWY_INLINE std::size_t tile_columns() { return 2 * hn::Lanes(WordFloats()); }

/// All rows in register tiles of about the same height, and the tiles that reach some of a panel's first `columns`.
template <class Storage, std::size_t kRow, std::size_t kStep, std::size_t kBlock, std::size_t kBRow = kChannelBlock>
void multiply_tiles(std::size_t rows, std::size_t columns, const Tile& all) {
  const std::size_t tiles = (rows + kMostRows - 1) / kMostRows;
  for (std::size_t column = 0; column < columns; column += tile_columns()) {
    for (std::size_t t = 0; t < tiles; ++t) {
      const std::size_t begin = rows * t / tiles;
      const std::size_t end = rows * (t + 1) / tiles;
      Tile tile = all;
      tile.a += begin * kRow;
      tile.b += column / kBRow * tile.words * kBRow + column % kBRow;
      if (tile.bias != nullptr) tile.bias += column;
      tile.dst += begin * kChannelBlock + column;
      multiply_rows_of<Storage, kRow, kStep, kBlock, kBRow>(end - begin, tile);
    }
  }
}

/// 0 in the columns that no tile has reached.
void clear_other_columns(const RowsProduct& p) {
  const std::size_t reached = (p.columns + tile_columns() - 1) / tile_columns() * tile_columns();
  if (reached >= kChannelBlock) return;
  for (std::size_t row = 0; row < p.rows; ++row)
    std::fill_n(p.dst + row * kChannelBlock + reached, kChannelBlock - reached, 0.0F);
}

template <class Storage>
void multiply_rows_any(const RowsProduct& p) {
  constexpr std::size_t kRow = kChannelBlock / Storage::kValuesPerWord;
  const Tile tile{.a = static_cast<const float*>(p.a),
                  .block = p.a_block / Storage::kValuesPerWord,
                  .words = words_of<Storage>(p.inner),
                  .b = p.b,
                  .begin = p.bias != nullptr ? Begin::bias : Begin::zero,
                  .bias = p.bias,
                  .dst = p.dst};
  clear_other_columns(p);
  if constexpr (HWY_TARGET > HWY_AVX3) {
    if (p.layout == PanelLayout::halves) {
      multiply_tiles<Storage, kRow, 1, kRow, kChannelBlock / 2>(p.rows, p.columns, tile);
      return;
    }
  }
  assert(p.layout == PanelLayout::rows);
  multiply_tiles<Storage, kRow, 1, kRow>(p.rows, p.columns, tile);
}

template <class Storage>
void multiply_columns_any(const ColumnsProduct& p) {
  multiply_tiles<Storage, 1, kChannelBlock, 0>(p.rows, p.columns,
                                               {.a = p.a,
                                                .block = 0,
                                                .words = p.words,
                                                .b = p.b,
                                                .begin = p.accumulate ? Begin::dst : Begin::zero,
                                                .bias = nullptr,
                                                .dst = p.dst});
}

void multiply_rows_f32(const RowsProduct& product) { multiply_rows_any<F32Storage>(product); }
void multiply_rows_bf16(const RowsProduct& product) { multiply_rows_any<Bf16Storage>(product); }
void multiply_columns_f32(const ColumnsProduct& product) { multiply_columns_any<F32Storage>(product); }
void multiply_columns_bf16(const ColumnsProduct& product) { multiply_columns_any<Bf16Storage>(product); }

void pair_rows_of_bf16(const Bf16* from, std::size_t rows, float* words) {
  const WordFloats d;
  for (std::size_t row = 0; row < rows; row += 2) {
    for (std::size_t lane = 0; lane < kChannelBlock; lane += hn::Lanes(d)) {
      const auto half = [&](std::size_t of) HWY_ATTR {
        return of < rows ? hn::BitCast(WordBits(), load_stage(d, from + of * kChannelBlock + lane)) : no_bf16();
      };
      hn::StoreU(word_of(half(row), half(row + 1)), d, words + row / 2 * kChannelBlock + lane);
    }
  }
}

}  // namespace convmixer::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "kernels/fused/bf16_target.hpp"

namespace convmixer::kernels {

HWY_EXPORT(multiply_rows_f32);
HWY_EXPORT(multiply_rows_bf16);
HWY_EXPORT(multiply_columns_f32);
HWY_EXPORT(multiply_columns_bf16);
HWY_EXPORT(pair_rows_of_bf16);

template <>
void multiply_rows<F32Storage>(const RowsProduct& product) {
  HWY_DYNAMIC_DISPATCH(multiply_rows_f32)(product);
}
template <>
void multiply_rows<Bf16Storage>(const RowsProduct& product) {
  CONVMIXER_DISPATCH_BF16(multiply_rows_bf16)(product);
}
template <>
void multiply_columns<F32Storage>(const ColumnsProduct& product) {
  HWY_DYNAMIC_DISPATCH(multiply_columns_f32)(product);
}
template <>
void multiply_columns<Bf16Storage>(const ColumnsProduct& product) {
  CONVMIXER_DISPATCH_BF16(multiply_columns_bf16)(product);
}

void pair_rows(const Bf16* from, std::size_t rows, float* words) {
  CONVMIXER_DISPATCH_BF16(pair_rows_of_bf16)(from, rows, words);
}

}  // namespace convmixer::kernels
#endif
