#include "kernels/fused/patches.hpp"

#include "convmixer/core/precision.hpp"

namespace convmixer::kernels {

namespace {

void assign(float value, float& out) { out = value; }
void assign(float value, Bf16& out) { out.bits = to_bf16(value); }

template <typename Operand>
void extract_row(const PatchGeometry& g, const float* image, std::size_t out_y, RowLayout layout, Operand* patches) {
  // Rows as long as a patch have no room for zeros after it.
  const std::size_t end = layout.row == g.columns() ? g.columns() : padded_channels(g.columns());
  for (std::size_t out_x = 0; out_x < g.out_width; ++out_x) {
    Operand* const patch = patches + (out_y * g.out_width + out_x) * layout.row;
    std::size_t column = 0;
    const auto put = [&](float value) {
      assign(value, patch[column / kChannelBlock * layout.block + column % kChannelBlock]);
      ++column;
    };
    for (std::size_t c = 0; c < g.channels; ++c) {
      for (std::size_t y = 0; y < g.kernel; ++y) {
        // Unsigned: what lies before the image wraps round to far beyond it.
        const std::size_t from_y = out_y * g.stride + y - g.padding_begin;
        const float* const row = image + (c * g.height + from_y) * g.width;
        for (std::size_t x = 0; x < g.kernel; ++x) {
          const std::size_t from_x = out_x * g.stride + x - g.padding_begin;
          put(from_y < g.height && from_x < g.width ? row[from_x] : 0.0F);
        }
      }
    }
    while (column < end) put(0.0F);  // NOLINT(bugprone-infinite-loop): put() counts columns
  }
}

template <typename Operand>
void extract(const PatchGeometry& g, const float* image, RowLayout layout, Operand* patches) {
  for (std::size_t out_y = 0; out_y < g.out_height; ++out_y) extract_row(g, image, out_y, layout, patches);
}

}  // namespace

void extract_patches(const PatchGeometry& geometry, const float* image, RowLayout layout, float* patches) {
  extract(geometry, image, layout, patches);
}
void extract_patches(const PatchGeometry& geometry, const float* image, RowLayout layout, Bf16* patches) {
  extract(geometry, image, layout, patches);
}

void extract_row_of_patches(const PatchGeometry& geometry, const float* image, std::size_t out_y, RowLayout layout,
                            float* patches) {
  extract_row(geometry, image, out_y, layout, patches);
}
void extract_row_of_patches(const PatchGeometry& geometry, const float* image, std::size_t out_y, RowLayout layout,
                            Bf16* patches) {
  extract_row(geometry, image, out_y, layout, patches);
}

}  // namespace convmixer::kernels
