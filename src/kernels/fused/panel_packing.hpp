/// Packing of matrices for the products of panel_product.hpp.
/// Sizes (panel, word): see "Words" in HACKING.md.
#pragma once

#include "kernels/fused/stage_storage.hpp"

#include <cstddef>

namespace convmixer::kernels {

/// Floats that pack_panels() writes.
template <class Storage>
[[nodiscard]] constexpr std::size_t packed_panels_size(std::size_t inner, std::size_t columns) {
  return padded_channels(columns) * words_of<Storage>(inner);
}
/// Packs a matrix of `inner` rows as panels, (panel, word of inner rows, column); what is beyond the matrix is 0.
/// Element (i, j) is at from[i * row_stride + j * column_stride].
template <class Storage>
void pack_panels(const float* from, std::size_t row_stride, std::size_t column_stride, std::size_t inner,
                 std::size_t columns, float* to);

}  // namespace convmixer::kernels
