/// PIL's Image.blend of an image with what lacks its brightness, contrast, saturation or sharpness:
///   out = d + factor * (image - d) in f32, each operation rounded, cut off after the point, clipped to 0..255.
/// Compilers vectorise neither the conversions between bytes and f32 nor, with them, the sums that make d.
/// `out` never overlaps an input. Grey is (19595 R + 38470 G + 7471 B + 32768) >> 16.
#pragma once

#include <cstddef>
#include <cstdint>

namespace convmixer::kernels {

/// d is a constant.
void blend_with_constant(std::uint8_t constant, const std::uint8_t* image, std::size_t count, float factor,
                         std::uint8_t* out);

/// d is the pixel's grey; `image` and `out` are three planes of `plane` bytes each.
void blend_with_grey(const std::uint8_t* image, std::size_t plane, float factor, std::uint8_t* out);

/// Sum of the greys of three planes.
[[nodiscard]] std::uint64_t sum_of_greys(const std::uint8_t* image, std::size_t plane);

/// d is the mean of a pixel and its neighbours by the weights [1 1 1; 1 5 1; 1 1 1] / 13, rounded; for a row of `width`
/// >= 3 pixels with the rows above and below it, all but the first and the last pixel.
void blend_with_smooth(const std::uint8_t* above, const std::uint8_t* row, const std::uint8_t* below, std::size_t width,
                       float factor, std::uint8_t* out);

}  // namespace convmixer::kernels
