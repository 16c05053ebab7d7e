/// An image as the rest of the project wants it, and how large one may be.
#pragma once

#include <cstdint>
#include <vector>

namespace convmixer {

inline constexpr int kColours = 3;  ///< of an image that is decoded or packed: red, green, blue

/// An image of any size, as planes (kColours, H, W).
struct DecodedImage {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> pixels;
};

/// A side or more than so many pixels is refused: such a file is a mistake or meant to exhaust the memory.
inline constexpr int kLongestImageSide = 65500;
inline constexpr std::int64_t kMostImagePixels = 100'000'000;

}  // namespace convmixer
