/// An image that is drawn pixel by pixel and becomes a PNG file.
#pragma once

#include "convmixer/figures/png.hpp"

#include <array>
#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

namespace convmixer {

using Colour = std::array<std::uint8_t, 3>;  ///< red, green, blue

class Canvas {
 public:
  Canvas(int width, int height, const Colour& background);

  [[nodiscard]] int width() const noexcept { return width_; }
  [[nodiscard]] int height() const noexcept { return height_; }

  /// What lies outside the image is not drawn.
  void set(int x, int y, const Colour& colour);
  void fill(int x, int y, int width, int height, const Colour& colour);
  /// Letters of 5 x 7 pixels times `scale`, the first one's top left corner at (x, y).
  void text(int x, int y, std::string_view text, int scale, const Colour& colour);
  /// The same, read from below to above: the first letter's bottom left corner, as it stands, is at (x, y).
  void text_upwards(int x, int y, std::string_view text, int scale, const Colour& colour);

  [[nodiscard]] PngImage to_png() const;
  /// Writes the file whole or not at all.
  void write_png(const std::filesystem::path& path) const;

 private:
  int width_;
  int height_;
  std::vector<std::uint8_t> pixels_;  // (H, W, 3)
};

/// Pixels from a text's first letter to its last. A character of UTF-8 beyond ASCII is one letter, a box.
[[nodiscard]] int text_width(std::string_view text, int scale);

}  // namespace convmixer
