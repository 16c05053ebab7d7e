#include "convmixer/figures/canvas.hpp"

#include "convmixer/core/file.hpp"
#include "figures/bitmap_font.hpp"

#include <algorithm>
#include <functional>

namespace convmixer {
namespace {

/// Of a character of UTF-8, all bytes but the first.
bool continues_character(char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U; }

/// Calls `dot` for each dot of a line of text, with its column and row.
template <typename Dot>
void draw_letters(std::string_view text, const Dot& dot) {
  int left = 0;
  for (const char character : text) {
    if (continues_character(character)) continue;
    const auto& columns = glyph(character);
    for (int column = 0; column < kLetterWidth; ++column) {
      for (int row = 0; row < kLetterHeight; ++row)
        if (((columns[static_cast<std::size_t>(column)] >> row) & 1) != 0) dot(left + column, row);
    }
    left += kLetterWidth + 1;
  }
}

}  // namespace

Canvas::Canvas(int width, int height, const Colour& background)
    : width_(width), height_(height), pixels_(3 * static_cast<std::size_t>(width) * static_cast<std::size_t>(height)) {
  fill(0, 0, width, height, background);
}

void Canvas::set(int x, int y, const Colour& colour) {
  if (x < 0 || y < 0 || x >= width_ || y >= height_) return;
  const std::size_t at =
      3 * (static_cast<std::size_t>(y) * static_cast<std::size_t>(width_) + static_cast<std::size_t>(x));
  for (std::size_t i = 0; i < colour.size(); ++i) pixels_[at + i] = colour[i];
}

void Canvas::fill(int x, int y, int width, int height, const Colour& colour) {
  for (int row = y; row < y + height; ++row)
    for (int column = x; column < x + width; ++column) set(column, row, colour);
}

void Canvas::text(int x, int y, std::string_view text, int scale, const Colour& colour) {
  draw_letters(text, [&](int column, int row) { fill(x + column * scale, y + row * scale, scale, scale, colour); });
}

void Canvas::text_upwards(int x, int y, std::string_view text, int scale, const Colour& colour) {
  draw_letters(text,
               [&](int column, int row) { fill(x + row * scale, y - (column + 1) * scale, scale, scale, colour); });
}

PngImage Canvas::to_png() const { return encode_png(width_, height_, pixels_); }

void Canvas::write_png(const std::filesystem::path& path) const { write_file_atomically(path, to_png().bytes); }

int text_width(std::string_view text, int scale) {
  const auto letters = static_cast<int>(std::ranges::count_if(text, std::not_fn(continues_character)));
  return letters == 0 ? 0 : (letters * (kLetterWidth + 1) - 1) * scale;
}

}  // namespace convmixer
