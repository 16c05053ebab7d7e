/// Binary PPM and PGM, which need no library.
#pragma once

#include "data/decode/raw_image.hpp"

#include <cstddef>
#include <span>

namespace convmixer {

/// Decodes a file that begins with "P5" (grey) or "P6" (red, green, blue) and has up to 8 bits a sample, spread to
/// 0..255 as PIL does: https://netpbm.sourceforge.net/doc/ppm.html. Throws Error with the reason.
[[nodiscard]] RawImage decode_pnm(std::span<const std::byte> file);

}  // namespace convmixer
