/// The patches that a convolution sees, as rows of a matrix, so that it becomes a product (im2col).
/// Sizes (channel block): see "Words" in HACKING.md.
#pragma once

#include "kernels/fused/stage_storage.hpp"

#include <cstddef>

namespace convmixer::kernels {

/// Sizes in pixels; zeros beyond the image.
struct PatchGeometry {
  std::size_t channels;
  std::size_t height;
  std::size_t width;
  std::size_t kernel;
  std::size_t stride;
  std::size_t padding_begin;
  std::size_t out_height;
  std::size_t out_width;

  [[nodiscard]] std::size_t image_size() const { return channels * height * width; }
  [[nodiscard]] std::size_t rows() const { return out_height * out_width; }
  /// Values of a patch, in the order of a filter's (C, KH, KW).
  [[nodiscard]] std::size_t columns() const { return channels * kernel * kernel; }
};

/// Writes rows() x columns() values, rounded to the operand type, and zeros up to whole channel blocks if the layout
/// has room for them. `image` is (C, H, W).
void extract_patches(const PatchGeometry& geometry, const float* image, RowLayout layout, float* patches);
void extract_patches(const PatchGeometry& geometry, const float* image, RowLayout layout, Bf16* patches);
/// Of these alone the patches of one row of output pixels, `out_y`.
void extract_row_of_patches(const PatchGeometry& geometry, const float* image, std::size_t out_y, RowLayout layout,
                            float* patches);
void extract_row_of_patches(const PatchGeometry& geometry, const float* image, std::size_t out_y, RowLayout layout,
                            Bf16* patches);

}  // namespace convmixer::kernels
