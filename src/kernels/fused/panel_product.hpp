/// Products of matrices by hand-written kernels, on the calling thread: what the tasks of fused stages are made of
/// where there is no matrix unit (AMX).
///
/// A panel is 32 columns of a matrix, a channel block, with all of its rows. In memory its rows lie one after the
/// other, so that a product reads it from its beginning to its end:
///
///     b, inner x columns:    panel 0 | panel 1 | ...      a panel:   word 0 of columns 0 to 31
///                              32        32                          word 1 of columns 0 to 31, ...
///
/// Compared with oneDNN's matmul: on AVX-512 (Zen 5) 97% of the peak on an image's pixels instead of 94%; the weight
/// gradient needs no transposed copy, because stages write its operands as it reads them; on AVX2 oneDNN has nothing
/// but gemm.
///
/// Both operands are read in words (see stage_storage.hpp) along the inner dimension.
/// Sizes (panel, channel block, word): see "Words" in HACKING.md.
#pragma once

#include "kernels/fused/panel_packing.hpp"
#include "kernels/fused/stage_storage.hpp"

#include <cstddef>

namespace convmixer::kernels {

/// dst (rows x 32 floats) = bias + a (rows x inner) b (inner x 32).
struct RowsProduct {
  const void* a;        ///< rows of 32 values, one channel block after the other: RowLayout with row 32
  std::size_t a_block;  ///< values between those blocks
  const float* b;       ///< a panel, see panel_packing.hpp
  PanelLayout layout = PanelLayout::rows;  ///< its; halves where they are the best_panel_layout() alone
  std::size_t rows;
  std::size_t inner;  ///< if it is odd, a row of bf16 in a goes on with a 0, as the last word of b does
  std::size_t columns = kChannelBlock;  ///< from there on b and the bias are 0, and so is dst, computed or not
  const float* bias;                    ///< 32 floats; null: 0
  float* dst;
};
template <class Storage>
void multiply_rows(const RowsProduct& product);

/// dst (rows x columns floats, rows 32 apart) (+)= a' (rows x pixels) b (pixels x columns): a weight gradient's part of
/// 32 x 32. What lies beyond the columns isn't wanted: it may be left as it is, or not.
struct ColumnsProduct {
  const float* a;     ///< words of pixels, (word, 32 channels)
  const float* b;     ///< likewise
  std::size_t words;  ///< of pixels
  bool accumulate;
  std::size_t rows = kChannelBlock;
  std::size_t columns = kChannelBlock;
  float* dst;
};
template <class Storage>
void multiply_columns(const ColumnsProduct& product);

/// Rows of 32 bf16 as words of two rows, (word, 32): as multiply_columns() reads pixels. Beside an odd last row is 0.
void pair_rows(const Bf16* from, std::size_t rows, float* words);

}  // namespace convmixer::kernels
