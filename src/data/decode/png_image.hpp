/// PNG through libpng.
#pragma once

#include "data/decode/raw_image.hpp"

#include <cstddef>
#include <span>

namespace convmixer {

/// Decodes a whole PNG file. Throws Error with the reason.
[[nodiscard]] RawImage decode_png(std::span<const std::byte> file);

}  // namespace convmixer
