/// PNG and JPEG files made in memory, by libpng and libjpeg.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace convmixer::testing_support {

/// What a PNG is made of: rows of samples as its colour type has them (two bytes a sample at 16 bits, packed below 8).
struct PngSource {
  int width = 0;
  int height = 0;
  int colour_type = 2;  ///< PNG's: 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGB and alpha
  int bit_depth = 8;
  bool interlaced = false;
  std::vector<std::uint8_t> rows;
  std::vector<std::uint8_t> palette;       ///< red, green, blue of each entry
  std::vector<std::uint8_t> transparency;  ///< of palette entries
  double gamma = 0.0;                      ///< a gAMA chunk, if not 0
  std::string exif;                        ///< an eXIf chunk, if not empty
};
[[nodiscard]] std::string png_bytes(const PngSource& source);

/// A colour PNG of bytes (H, W, 3).
[[nodiscard]] std::string rgb_png(int width, int height, const std::vector<std::uint8_t>& rgb);
/// One of a single colour.
[[nodiscard]] std::string plain_png(int width, int height, std::uint8_t red, std::uint8_t green, std::uint8_t blue);

/// What a JPEG is made of: bytes (H, W, channels) of 1 (grey), 3 (RGB) or 4 (CMYK, as Adobe stores it) channels.
struct JpegSource {
  int width = 0;
  int height = 0;
  int channels = 3;
  std::vector<std::uint8_t> pixels;
  bool progressive = false;
  bool ycck = false;  ///< CMYK as YCCK
  int quality = 100;
  std::string exif;  ///< a TIFF structure for an APP1 marker, if not empty
};
[[nodiscard]] std::string jpeg_bytes(const JpegSource& source);

/// A TIFF structure with this orientation, little- or big-endian.
[[nodiscard]] std::string exif_with_orientation(int orientation, bool big_endian = false);

}  // namespace convmixer::testing_support
