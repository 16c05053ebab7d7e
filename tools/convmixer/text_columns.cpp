#include "text_columns.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace convmixer::tool {
namespace {

/// The character that begins with these bytes of valid UTF-8.
struct Character {
  std::uint32_t code = 0;
  std::size_t bytes = 1;

  explicit Character(std::string_view text) {
    const auto lead = static_cast<unsigned char>(text.front());
    bytes = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    bytes = std::min(bytes, text.size());
    code = bytes == 1 ? lead : lead & (0x7FU >> bytes);
    for (const char byte : text.substr(1, bytes - 1)) code = code << 6 | (static_cast<unsigned char>(byte) & 0x3FU);
  }
};

struct Range {
  std::uint32_t first;
  std::uint32_t last;
};

/// Of Unicode's East Asian Width, the blocks that are wide.
constexpr std::array<Range, 12> kWide{{{0x1100, 0x115F},
                                       {0x2E80, 0x303E},
                                       {0x3041, 0xA4CF},
                                       {0xAC00, 0xD7A3},
                                       {0xF900, 0xFAFF},
                                       {0xFE10, 0xFE19},
                                       {0xFE30, 0xFE6F},
                                       {0xFF00, 0xFF60},
                                       {0xFFE0, 0xFFE6},
                                       {0x1F300, 0x1F64F},
                                       {0x1F900, 0x1F9FF},
                                       {0x20000, 0x3FFFD}}};

std::size_t width_of(const Character& character) {
  const bool wide = std::ranges::any_of(
      kWide, [&](const Range& range) { return character.code >= range.first && character.code <= range.last; });
  return wide ? 2 : 1;
}

}  // namespace

std::size_t columns_of(std::string_view text) {
  std::size_t columns = 0;
  for (std::size_t at = 0; at < text.size();) {
    const Character character(text.substr(at));
    columns += width_of(character);
    at += character.bytes;
  }
  return columns;
}

std::string beginning_of(std::string_view text, std::size_t columns) {
  std::size_t used = 0;
  std::size_t end = 0;
  while (end < text.size()) {
    const Character character(text.substr(end));
    used += width_of(character);
    if (used > columns) break;
    end += character.bytes;
  }
  return std::string(text.substr(0, end));
}

std::string cut_to_columns(std::string_view text, std::size_t columns) {
  if (columns_of(text) <= columns) return std::string(text);
  return columns < 3 ? beginning_of(text, columns) : beginning_of(text, columns - 2) + "..";
}

std::string padded_to_columns(std::string_view text, std::size_t columns) {
  const std::size_t used = columns_of(text);
  return std::string(text) + std::string(columns - std::min(used, columns), ' ');
}

}  // namespace convmixer::tool
