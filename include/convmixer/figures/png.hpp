/// PNG files in memory: what figures become, for a file, a page or an event file.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace convmixer {

/// A PNG file, whole.
struct PngImage {
  int width = 0;  ///< in pixels
  int height = 0;
  std::string bytes;
};

/// Encodes pixels, (H, W, 3) red, green and blue: as grey if all of them are, with a palette if they have 256 colours
/// at most, whichever is smallest without a loss. The same pixels give the same bytes. Throws Error (usage) unless
/// there are width * height of them, one at least.
[[nodiscard]] PngImage encode_png(int width, int height, std::span<const std::uint8_t> pixels);

/// An image of a data set, (C, H, W) planes: three are red, green and blue, of any other number the first is drawn
/// grey. Throws Error (usage) likewise.
[[nodiscard]] PngImage encode_png_planes(int channels, int width, int height, std::span<const std::uint8_t> planes);

/// "data:image/png;base64,...": the file as an address, for a page that needs no other files (RFC 2397, RFC 4648).
[[nodiscard]] std::string data_uri(const PngImage& image);
/// Back from it; nothing for any other text, and for bytes that don't begin as a PNG file does. Whether the rest is one
/// isn't looked at.
[[nodiscard]] std::optional<PngImage> png_of_data_uri(std::string_view uri);

}  // namespace convmixer
