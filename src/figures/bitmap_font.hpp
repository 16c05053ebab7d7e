/// Letters of 5 x 7 pixels, for images that a program draws: no font files are needed.
#pragma once

#include "convmixer/figures/letters.hpp"

#include <array>
#include <cstdint>

namespace convmixer {

/// The columns of a printable ASCII character, left to right, bit 0 at the top; a box for any other byte.
[[nodiscard]] const std::array<std::uint8_t, kLetterWidth>& glyph(char character);

}  // namespace convmixer
