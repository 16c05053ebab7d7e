#include "canvas.hpp"

#include "bitmap_font.hpp"
#include "convmixer/core/error.hpp"
#include "convmixer/core/file.hpp"

#include <algorithm>
#include <functional>
#include <png.h>
#include <span>

namespace convmixer::tool {
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
    for (int column = 0; column < kGlyphWidth; ++column) {
      for (int row = 0; row < kGlyphHeight; ++row)
        if (((columns[static_cast<std::size_t>(column)] >> row) & 1) != 0) dot(left + column, row);
    }
    left += kGlyphWidth + 1;
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

void Canvas::write_png(const std::filesystem::path& path) const {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(width_);
  image.height = static_cast<png_uint_32>(height_);
  image.format = PNG_FORMAT_RGB;
  png_alloc_size_t size = 0;
  std::string file;
  bool done = png_image_write_to_memory(&image, nullptr, &size, 0, pixels_.data(), 0, nullptr) != 0;
  if (done) {
    file.resize(size);
    done = png_image_write_to_memory(&image, file.data(), &size, 0, pixels_.data(), 0, nullptr) != 0;
  }
  if (!done) fail("{}: can't be encoded: {}", path.string(), image.message);
  write_file_atomically(path, file);
}

int text_width(std::string_view text, int scale) {
  const auto letters = static_cast<int>(std::ranges::count_if(text, std::not_fn(continues_character)));
  return letters == 0 ? 0 : (letters * (kGlyphWidth + 1) - 1) * scale;
}

}  // namespace convmixer::tool
