#include "convmixer/figures/heading.hpp"

#include "convmixer/figures/letters.hpp"

#include <algorithm>

namespace convmixer {

Heading::Heading(const std::string& text, int width) : lines{text} {
  if (text_width(text, scale) <= width) return;
  scale = 1;
  lines = {""};
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(' ', begin), text.size());
    const std::string word = text.substr(begin, end - begin);
    if (!lines.back().empty() && text_width(lines.back() + " " + word, scale) > width) lines.emplace_back();
    lines.back() += (lines.back().empty() ? "" : " ") + word;
    begin = end + 1;
  }
}

int Heading::line_height() const { return (kLetterHeight + 3) * scale; }

void Heading::draw(Canvas& canvas, int left, int top, const Colour& colour) const {
  for (const std::string& line : lines) {
    canvas.text(left, top, line, scale, colour);
    top += line_height();
  }
}

}  // namespace convmixer
