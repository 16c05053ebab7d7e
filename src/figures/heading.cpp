#include "convmixer/figures/heading.hpp"

#include "convmixer/figures/letters.hpp"

#include <algorithm>

namespace convmixer {
namespace {

/// The longest beginning that fits, of one letter at least; its length in bytes.
std::size_t length_within(const std::string& word, int scale, int width) {
  std::size_t length = 0;
  do {
    std::size_t next = length + 1;
    while (next < word.size() && (static_cast<unsigned char>(word[next]) & 0xC0U) == 0x80U) ++next;  // of this letter
    if (length > 0 && text_width(word.substr(0, next), scale) > width) break;
    length = next;
  } while (length < word.size());
  return length;
}

}  // namespace

Heading::Heading(const std::string& text, int width) : lines{text} {
  if (text_width(text, scale) <= width) return;
  scale = 1;
  lines = {""};
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(' ', begin), text.size());
    std::string word = text.substr(begin, end - begin);
    if (!lines.back().empty() && text_width(lines.back() + " " + word, scale) > width) lines.emplace_back();
    for (std::size_t length = 0; (length = length_within(word, scale, width)) < word.size(); word.erase(0, length)) {
      lines.back() = word.substr(0, length);  // alone on a line, which it doesn't fit on
      lines.emplace_back();
    }
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
