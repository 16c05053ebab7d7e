/// Images as they are shown beside many others.
#pragma once

#include "convmixer/figures/png.hpp"

#include <cstdint>
#include <span>

namespace convmixer {

/// A square image, (C, H, W) planes, as a PNG file of its own pixels; one whose sides are longer than `most_pixels` is
/// reduced to that, so that a page of them can be sent. Throws Error (usage) as encode_png_planes does, and for a
/// `most_pixels` below 1.
[[nodiscard]] PngImage draw_thumbnail(int channels, int side, std::span<const std::uint8_t> planes,
                                      int most_pixels = 96);

}  // namespace convmixer
