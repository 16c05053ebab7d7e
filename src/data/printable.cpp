#include "data/printable.hpp"

#include <algorithm>

namespace convmixer {

std::string printable(std::string_view name) {
  constexpr std::size_t kLongest = 2000;
  std::string text(name.substr(0, kLongest));
  std::ranges::replace_if(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
  return name.size() > kLongest ? text + "..." : text;
}

}  // namespace convmixer
