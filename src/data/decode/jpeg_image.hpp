/// JPEG through libjpeg-turbo.
#pragma once

#include "data/decode/raw_image.hpp"

#include <cstddef>
#include <span>

namespace convmixer {

/// Decodes a whole JPEG file: baseline or progressive; grey, YCbCr, RGB, CMYK or YCCK. Throws Error with the reason.
[[nodiscard]] RawImage decode_jpeg(std::span<const std::byte> file);

}  // namespace convmixer
