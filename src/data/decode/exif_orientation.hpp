/// Which way up a camera held an image.
#pragma once

#include "data/decode/decoded_image.hpp"
#include "data/decode/raw_image.hpp"

#include <cstddef>
#include <span>

namespace convmixer {

/// The orientation in EXIF data (a TIFF structure: byte order, then directories of tags), 1..8; 1, upright, where it
/// has none or can't be read. Exif 2.32, section 4.6.4, tag 0x0112.
[[nodiscard]] int exif_orientation(std::span<const std::byte> bytes);

/// The image turned and mirrored as its orientation says, as planes.
[[nodiscard]] DecodedImage upright_planes(const RawImage& image);

}  // namespace convmixer
