/// An image as its file has it: colours side by side, not yet turned upright.
#pragma once

#include <cstdint>
#include <vector>

namespace convmixer {

struct RawImage {
  int width = 0;
  int height = 0;
  int orientation = 1;               ///< EXIF's, 1..8
  std::vector<std::uint8_t> pixels;  ///< (H, W, 3): red, green, blue
};

}  // namespace convmixer
