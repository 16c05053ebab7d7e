/// An affine transformation with nearest neighbours in 16.16 fixed point, as PIL's: output pixel (x, y) is input pixel
/// ((row_x + y * row_step_x + x * step_x) >> 16, ... y likewise); where that lies outside, nothing is written.
/// Compilers don't see that what comes from inside is one stretch of each row.
#pragma once

#include <cstddef>
#include <cstdint>

namespace convmixer::kernels {

/// Sums wrap around as 32-bit integers.
struct FixedAffine {
  std::int32_t x, y;            ///< where the first pixel comes from
  std::int32_t step_x, step_y;  ///< from one pixel of a row to the next
  std::int32_t row_x, row_y;    ///< from one row to the next
};

/// `image` and `out` are (channels, height, width) bytes and don't overlap.
void transform_fixed(const FixedAffine& affine, const std::uint8_t* image, std::size_t channels, std::int32_t height,
                     std::int32_t width, std::uint8_t* out);

}  // namespace convmixer::kernels
