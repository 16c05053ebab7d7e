#include "convmixer/figures/png.hpp"

#include "convmixer/core/error.hpp"

#include <algorithm>
#include <cstddef>
#include <map>
#include <optional>
#include <png.h>
#include <string_view>
#include <vector>

namespace convmixer {

namespace {

constexpr std::size_t kMostColours = 256;
constexpr std::string_view kUriPrefix = "data:image/png;base64,";
constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";  // base64's
// A file's first bytes: signature, then the header's length and name, then width and height.
constexpr std::string_view kBeginning("\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 16);

void check_pixels(int channels, int width, int height, std::size_t found) {
  const bool good =
      channels > 0 && width > 0 && height > 0 &&
      found == static_cast<std::size_t>(channels) * static_cast<std::size_t>(width) * static_cast<std::size_t>(height);
  if (!good)
    fail_usage("an image of {} x {} pixels and {} channels: found {} values, expected so many, one at least", width,
               height, channels, found);
}

/// Pixels by the number of their colour, and the colours, (N, 3).
struct Paletted {
  std::vector<std::uint8_t> pixels;
  std::vector<std::uint8_t> colours;
};

/// Nothing if there are more colours than a palette holds.
std::optional<Paletted> with_palette(std::span<const std::uint8_t> pixels) {
  std::map<std::uint32_t, std::uint8_t> numbers;
  Paletted result;
  result.pixels.reserve(pixels.size() / 3);
  for (std::size_t i = 0; i < pixels.size(); i += 3) {
    const std::uint32_t colour =
        std::uint32_t{pixels[i]} << 16U | std::uint32_t{pixels[i + 1]} << 8U | std::uint32_t{pixels[i + 2]};
    const auto [found, is_new] = numbers.try_emplace(colour, static_cast<std::uint8_t>(numbers.size()));
    if (is_new) {
      if (numbers.size() > kMostColours) return std::nullopt;
      result.colours.insert(result.colours.end(), pixels.begin() + static_cast<std::ptrdiff_t>(i),
                            pixels.begin() + static_cast<std::ptrdiff_t>(i) + 3);
    }
    result.pixels.push_back(found->second);
  }
  return result;
}

bool is_grey(std::span<const std::uint8_t> pixels) {
  for (std::size_t i = 0; i < pixels.size(); i += 3)
    if (pixels[i] != pixels[i + 1] || pixels[i] != pixels[i + 2]) return false;
  return true;
}

/// One of libpng's formats; `colours` for those with a palette, else null.
PngImage encode(int width, int height, png_uint_32 format, const std::uint8_t* pixels,
                const std::vector<std::uint8_t>* colours) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(width);
  image.height = static_cast<png_uint_32>(height);
  image.format = format;
  image.colormap_entries = colours == nullptr ? 0 : static_cast<png_uint_32>(colours->size() / 3);
  const void* palette = colours == nullptr ? nullptr : colours->data();
  png_alloc_size_t size = 0;
  PngImage result{.width = width, .height = height, .bytes = {}};
  bool done = png_image_write_to_memory(&image, nullptr, &size, 0, pixels, 0, palette) != 0;
  if (done) {
    result.bytes.resize(size);
    done = png_image_write_to_memory(&image, result.bytes.data(), &size, 0, pixels, 0, palette) != 0;
  }
  if (!done) fail("an image of {} x {} pixels can't be encoded: {}", width, height, image.message);
  return result;
}

/// Four bytes, the highest first.
int read_size(std::string_view bytes, std::size_t at) {
  std::uint32_t size = 0;
  for (std::size_t i = 0; i < 4; ++i) size = size << 8U | static_cast<unsigned char>(bytes[at + i]);
  return static_cast<int>(size);
}

}  // namespace

PngImage encode_png(int width, int height, std::span<const std::uint8_t> pixels) {
  check_pixels(3, width, height, pixels.size());
  if (is_grey(pixels)) {
    std::vector<std::uint8_t> grey(pixels.size() / 3);
    for (std::size_t i = 0; i < grey.size(); ++i) grey[i] = pixels[3 * i];
    return encode(width, height, PNG_FORMAT_GRAY, grey.data(), nullptr);
  }
  if (const auto paletted = with_palette(pixels))
    return encode(width, height, PNG_FORMAT_RGB_COLORMAP, paletted->pixels.data(), &paletted->colours);
  return encode(width, height, PNG_FORMAT_RGB, pixels.data(), nullptr);
}

PngImage encode_png_planes(int channels, int width, int height, std::span<const std::uint8_t> planes) {
  check_pixels(channels, width, height, planes.size());
  const std::size_t plane = planes.size() / static_cast<std::size_t>(channels);
  if (channels != 3) return encode(width, height, PNG_FORMAT_GRAY, planes.data(), nullptr);
  std::vector<std::uint8_t> pixels(planes.size());
  for (std::size_t i = 0; i < plane; ++i)
    for (std::size_t colour = 0; colour < 3; ++colour) pixels[3 * i + colour] = planes[colour * plane + i];
  return encode_png(width, height, pixels);
}

std::string data_uri(const PngImage& image) {
  std::string text(kUriPrefix);
  text.reserve(text.size() + (image.bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < image.bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, image.bytes.size() - i);
    std::uint32_t bits = 0;
    for (std::size_t j = 0; j < 3; ++j)
      bits = bits << 8U | (j < count ? static_cast<unsigned char>(image.bytes[i + j]) : 0U);
    for (std::size_t j = 0; j < 4; ++j) text += j <= count ? kDigits[bits >> (18 - 6 * j) & 0x3fU] : '=';
  }
  return text;
}

std::optional<PngImage> png_of_data_uri(std::string_view uri) {
  if (!uri.starts_with(kUriPrefix)) return std::nullopt;
  std::string_view digits = uri.substr(kUriPrefix.size());
  if (digits.size() % 4 != 0) return std::nullopt;
  for (int padding = 0; padding < 2 && digits.ends_with('='); ++padding) digits.remove_suffix(1);
  std::optional<PngImage> image(std::in_place);
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    const std::size_t value = kDigits.find(digits[i]);
    if (value == std::string_view::npos) return std::nullopt;
    bits = bits << 6U | static_cast<std::uint32_t>(value);
    // The first of four digits completes no byte, each of the others one.
    if (i % 4 != 0) image->bytes += static_cast<char>(bits >> (6 - 2 * (i % 4)) & 0xffU);
  }
  if (!image->bytes.starts_with(kBeginning) || image->bytes.size() < kBeginning.size() + 8) return std::nullopt;
  image->width = read_size(image->bytes, kBeginning.size());
  image->height = read_size(image->bytes, kBeginning.size() + 4);
  if (image->width < 1 || image->height < 1) return std::nullopt;
  return image;
}

}  // namespace convmixer
