/// Products of matrices by own kernels, in panels of 32 columns, on the calling thread: what the tasks of fused stages
/// are made of where there is no matrix unit (AMX).
///
/// Beside oneDNN's matmul: on AVX-512 (Zen 5) 97% of the peak on an image's pixels instead of 94%; the weight gradient
/// needs no transposed copy, because stages write its operands as it reads them; on AVX2 oneDNN has its gemm alone.
///
/// Values are read as 32-bit words along the inner dimension: an f32, or two bf16, the first in the lower half.
#pragma once

#include "kernels/fused/stage_storage.hpp"

#include <cstddef>

namespace convmixer::kernels {

/// Words of `count` values.
template <class Storage>
[[nodiscard]] constexpr std::size_t words_of(std::size_t count) {
  return (count + Storage::kValuesPerWord - 1) / Storage::kValuesPerWord;
}

/// dst (rows x 32 floats) = bias + a (rows x inner) b (inner x 32).
struct RowsProduct {
  const void* a;        ///< rows of 32 values, blocks of 32 inner ones: RowLayout with row 32
  std::size_t a_block;  ///< values between those blocks
  const float* b;       ///< a panel, see pack_panels()
  std::size_t rows;
  std::size_t inner;  ///< an odd number of bf16 counts the next one in a, which then is 0, as it is in b
  const float* bias;  ///< 32 floats; null: 0
  float* dst;
};
template <class Storage>
void multiply_rows(const RowsProduct& product);

/// dst (32 x 32 floats) (+)= a' (32 x pixels) b (pixels x 32): a panel of a weight gradient.
struct ColumnsProduct {
  const float* a;     ///< words of pixels: (word, 32)
  const float* b;     ///< likewise
  std::size_t words;  ///< of pixels
  bool accumulate;
  float* dst;
};
template <class Storage>
void multiply_columns(const ColumnsProduct& product);

/// Floats that pack_panels() writes.
template <class Storage>
[[nodiscard]] constexpr std::size_t packed_panels_size(std::size_t inner, std::size_t columns) {
  return padded_channels(columns) * words_of<Storage>(inner);
}
/// Packs the columns of a matrix of `inner` rows as (panel of 32 columns, word of inner rows, column); what is beyond
/// the matrix is 0. Element (i, j) is at from[i * row_stride + j * column_stride].
template <class Storage>
void pack_panels(const float* from, std::size_t row_stride, std::size_t column_stride, std::size_t inner,
                 std::size_t columns, float* to);

/// Rows of bf16, 32 of them side by side, as words of two rows; an odd last one's neighbour is 0.
void pair_rows(const Bf16* from, std::size_t rows, float* words);

}  // namespace convmixer::kernels
