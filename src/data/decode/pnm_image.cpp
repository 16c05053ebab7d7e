#include "data/decode/pnm_image.hpp"

#include "convmixer/core/error.hpp"
#include "data/decode/decoded_image.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string_view>

namespace convmixer {

namespace {

constexpr int kMostDigits = 7;  // more than any size or value that is taken

bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/// The next number of the header, after blanks and comments, which go from '#' to the line's end.
int read_number(std::string_view& rest) {
  bool in_comment = false;
  while (!rest.empty() && (in_comment || is_blank(rest.front()) || rest.front() == '#')) {
    in_comment = (in_comment || rest.front() == '#') && rest.front() != '\n';
    rest.remove_prefix(1);
  }
  int number = 0;
  int digits = 0;
  for (; !rest.empty() && rest.front() >= '0' && rest.front() <= '9' && digits < kMostDigits; ++digits) {
    number = 10 * number + (rest.front() - '0');
    rest.remove_prefix(1);
  }
  if (digits == 0 || digits == kMostDigits) fail("damaged PPM: its header has no width, height and largest value");
  return number;
}

/// Halves go to the even number, as Python rounds.
std::array<std::uint8_t, 256> spread(int largest) {
  std::array<std::uint8_t, 256> table{};
  for (int value = 0; value < 256; ++value)
    table[static_cast<std::size_t>(value)] =
        static_cast<std::uint8_t>(std::min(255.0, std::nearbyint(static_cast<double>(value) / largest * 255.0)));
  return table;
}

}  // namespace

RawImage decode_pnm(std::span<const std::byte> file) {
  std::string_view rest(reinterpret_cast<const char*>(file.data()), file.size());
  const std::size_t samples = rest.starts_with("P6") ? 3 : 1;
  rest.remove_prefix(2);
  RawImage image;
  image.width = read_number(rest);
  image.height = read_number(rest);
  const int largest = read_number(rest);
  if (image.width < 1 || image.height < 1 || std::max(image.width, image.height) > kLongestImageSide ||
      std::int64_t{image.width} * image.height > kMostImagePixels)
    fail("damaged PPM: {} x {} pixels", image.width, image.height);
  if (largest < 1 || largest > 255) fail("a PPM with values up to {}, expected 1 to 255", largest);
  const auto pixels = static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height);
  if (rest.empty() || !is_blank(rest.front()) || rest.size() - 1 < pixels * samples)
    fail("damaged PPM: the file is cut off");
  rest.remove_prefix(1);
  const auto table = spread(largest);
  image.pixels.reserve(3 * pixels);
  for (std::size_t i = 0; i < 3 * pixels; ++i)
    image.pixels.push_back(table[static_cast<unsigned char>(rest[samples == 3 ? i : i / 3])]);
  return image;
}

}  // namespace convmixer
