/// PNG, JPEG and PPM files to pixels.
#pragma once

#include "data/decode/decoded_image.hpp"

#include <cstddef>
#include <span>

namespace convmixer {

/// Decodes a PNG, JPEG or PPM (also PGM) file, told apart by its first bytes, to what PIL's
/// Image.open(...).convert("RGB") gives: grey as three equal colours, palettes looked up, transparency dropped, the
/// upper 8 of 16 bits kept (of grey without alpha, too, where PIL makes all above 255 of 65535 white), CMYK by PIL's
/// formula; and turned upright as its EXIF orientation says. Damaged and truncated files are refused, also where PIL
/// would fill in grey; what lacks nothing but its end marker (a JPEG of one scan) or last chunk (PNG) is whole. Throws
/// Error with the reason alone: the caller knows the file's name.
[[nodiscard]] DecodedImage decode_image(std::span<const std::byte> file);

}  // namespace convmixer
