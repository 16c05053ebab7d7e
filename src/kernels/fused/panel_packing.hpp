/// Packing of matrices for the products of panel_product.hpp.
/// Sizes (panel, word): see "Words" in HACKING.md.
#pragma once

#include "kernels/fused/stage_storage.hpp"

#include <cstddef>

namespace convmixer::kernels {

/// How a panel's words lie: its rows of 32 one after the other, or all rows of columns 0 to 15, then those of 16 to 31.
enum class PanelLayout { rows, halves };

/// The one in which multiply_rows() reads a panel faster. Without AVX-512 a register tile has 16 columns: halves of
/// rows lie two lines apart, in half of the sets of the first-level cache, which they fill (a core of Zen 3 that does
/// 65 GFLOP/s that way does 72 in halves).
[[nodiscard]] PanelLayout best_panel_layout();

/// Floats that pack_panels() writes.
template <class Storage>
[[nodiscard]] constexpr std::size_t packed_panels_size(std::size_t inner, std::size_t columns) {
  return padded_channels(columns) * words_of<Storage>(inner);
}
/// Packs a matrix of `inner` rows as panels, (panel, word of inner rows, column), or in halves; what is beyond the
/// matrix is 0. Element (i, j) is at from[i * row_stride + j * column_stride].
template <class Storage>
void pack_panels(const float* from, std::size_t row_stride, std::size_t column_stride, std::size_t inner,
                 std::size_t columns, float* to, PanelLayout layout = PanelLayout::rows);

}  // namespace convmixer::kernels
