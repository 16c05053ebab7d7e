/// Letters of 5 x 7 pixels, for pictures that a program draws: no font files are needed.
#pragma once

#include <array>
#include <cstdint>

namespace convmixer::tool {

inline constexpr int kGlyphWidth = 5;
inline constexpr int kGlyphHeight = 7;

/// The columns of a printable ASCII character, left to right, bit 0 at the top; a box for any other byte.
[[nodiscard]] const std::array<std::uint8_t, kGlyphWidth>& glyph(char character);

}  // namespace convmixer::tool
