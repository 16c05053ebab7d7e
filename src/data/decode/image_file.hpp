/// PNG and JPEG files to pixels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace convmixer {

/// An image of any size, as planes (3, H, W).
struct DecodedImage {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> pixels;
};

/// A side or more than so many pixels is refused: such a file is a mistake or meant to exhaust the memory.
inline constexpr int kLongestImageSide = 65500;
inline constexpr std::int64_t kMostImagePixels = 100'000'000;

/// Decodes a PNG or JPEG file, told apart by its first bytes, to what PIL's Image.open(...).convert("RGB") gives: grey
/// as three equal colours, palettes looked up, transparency dropped, of 16 bits the upper 8, CMYK by PIL's formula; and
/// turned upright as its EXIF orientation says. Damaged and truncated files are refused, also where PIL would fill in
/// grey. Throws Error with the reason alone: the caller knows the file's name.
[[nodiscard]] DecodedImage decode_image(std::span<const std::byte> file);

}  // namespace convmixer
