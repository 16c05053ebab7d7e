/// What stands above a drawn image.
#pragma once

#include "convmixer/figures/canvas.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace convmixer {

/// A text in lines of at most `width` pixels, broken between words; in large letters if it fits into one.
struct Heading {
  std::vector<std::string> lines;
  int scale = 2;

  Heading(const std::string& text, int width);

  [[nodiscard]] int line_height() const;
  [[nodiscard]] int height() const { return static_cast<int>(lines.size()) * line_height(); }
  void draw(Canvas& canvas, int left, int top, const Colour& colour) const;
};

}  // namespace convmixer
