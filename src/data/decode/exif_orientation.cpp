#include "data/decode/exif_orientation.hpp"

#include <cstdint>
#include <optional>
#include <utility>

namespace convmixer {

namespace {

/// Numbers of a TIFF structure; nothing beyond its end.
class Tiff {
 public:
  explicit Tiff(std::span<const std::byte> bytes) : bytes_(bytes) {}

  /// False for other byte orders than Intel's and Motorola's.
  [[nodiscard]] bool read_byte_order() {
    const auto mark = big_endian(0, 2);
    little_ = mark == 0x4949U;
    return (little_ || mark == 0x4d4dU) && number(2, 2) == 42U;
  }

  [[nodiscard]] std::optional<std::uint32_t> number(std::size_t at, std::size_t width) const {
    const auto value = big_endian(at, width);
    if (!value || !little_) return value;
    std::uint32_t reversed = 0;
    for (std::size_t i = 0; i < width; ++i) reversed |= ((*value >> (8 * i)) & 255U) << (8 * (width - 1 - i));
    return reversed;
  }

 private:
  [[nodiscard]] std::optional<std::uint32_t> big_endian(std::size_t at, std::size_t width) const {
    if (at > bytes_.size() || width > bytes_.size() - at) return std::nullopt;
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < width; ++i) value = value << 8 | std::to_integer<std::uint32_t>(bytes_[at + i]);
    return value;
  }

  std::span<const std::byte> bytes_;
  bool little_ = false;
};

}  // namespace

int exif_orientation(std::span<const std::byte> bytes) {
  constexpr std::uint32_t kOrientation = 0x0112;
  constexpr std::uint32_t kShort = 3;
  constexpr std::size_t kEntry = 12;
  Tiff tiff(bytes);
  if (!tiff.read_byte_order()) return 1;
  const auto directory = tiff.number(4, 4);
  const auto entries = directory ? tiff.number(*directory, 2) : std::nullopt;
  for (std::size_t i = 0; entries && i < *entries; ++i) {
    const std::size_t at = *directory + 2 + i * kEntry;
    const auto tag = tiff.number(at, 2);
    if (!tag) return 1;
    if (tag != kOrientation || tiff.number(at + 2, 2) != kShort) continue;
    const auto value = tiff.number(at + 8, 2);
    return value && *value >= 1 && *value <= 8 ? static_cast<int>(*value) : 1;
  }
  return 1;
}

DecodedImage upright_planes(const RawImage& image) {
  // 2 to 4 mirror and turn by half; 5 to 8 exchange rows and columns first.
  const int orientation = image.orientation;
  const bool exchange = orientation >= 5;
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_below = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  DecodedImage upright{image.width, image.height, {}};
  if (exchange) std::swap(upright.width, upright.height);
  upright.pixels.resize(image.pixels.size());

  const auto width = static_cast<std::ptrdiff_t>(image.width);
  const auto height = static_cast<std::ptrdiff_t>(image.height);
  const std::ptrdiff_t right = from_right ? -3 : 3;  // to the next source pixel, in bytes
  const std::ptrdiff_t down = (from_below ? -3 : 3) * width;
  const std::uint8_t* corner = image.pixels.data();
  if (from_right) corner += 3 * (width - 1);
  if (from_below) corner += 3 * width * (height - 1);
  const std::ptrdiff_t step_x = exchange ? down : right;
  const std::ptrdiff_t step_y = exchange ? right : down;

  std::uint8_t* out = upright.pixels.data();
  for (int colour = 0; colour < 3; ++colour) {
    for (std::ptrdiff_t y = 0; y < upright.height; ++y) {
      const std::uint8_t* row = corner + colour + y * step_y;
      for (std::ptrdiff_t x = 0; x < upright.width; ++x) *out++ = row[x * step_x];
    }
  }
  return upright;
}

}  // namespace convmixer
