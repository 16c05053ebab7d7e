#include "convmixer/data/pixel_operations.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace convmixer {

namespace {

using ByteTable = std::array<std::uint8_t, 256>;
using Histogram = std::array<std::uint32_t, 256>;

std::uint8_t clip(int value) { return static_cast<std::uint8_t>(std::clamp(value, 0, 255)); }

template <typename Function>
ByteTable table_of(const Function& function) {
  ByteTable table;
  for (int value = 0; value < 256; ++value) table[static_cast<std::size_t>(value)] = clip(function(value));
  return table;
}

void look_up(const std::uint8_t* from, std::size_t count, const ByteTable& table, std::uint8_t* to) {
  for (std::size_t i = 0; i < count; ++i) to[i] = table[from[i]];
}

void look_up(const ConstImage& image, const ByteTable& table, const Image& out) {
  look_up(image.pixels, image.shape.bytes(), table, out.pixels);
}

/// PIL's Image.blend of two values. Between them nothing is clipped there, nor is anything to clip.
std::uint8_t blend(int from, int to, float factor) {
  const float value = static_cast<float>(from) + factor * static_cast<float>(to - from);
  return static_cast<std::uint8_t>(std::clamp(value, 0.0F, 255.0F));
}

std::uint8_t grey(std::uint8_t red, std::uint8_t green, std::uint8_t blue) {
  return static_cast<std::uint8_t>((19595U * red + 38470U * green + 7471U * blue + 32768U) >> 16U);
}

/// Calls use(i, grey of pixel i).
template <typename Use>
void for_each_grey(const ConstImage& image, const Use& use) {
  const std::size_t plane = image.shape.plane();
  const std::uint8_t* red = image.pixels;
  for (std::size_t i = 0; i < plane; ++i)
    use(i, image.shape.channels == 1 ? red[i] : grey(red[i], red[plane + i], red[2 * plane + i]));
}

void blend_with(int value, const ConstImage& image, float factor, const Image& out) {
  look_up(image, table_of([&](int v) { return blend(value, v, factor); }), out);
}

void copy(const ConstImage& image, const Image& out) { std::copy_n(image.pixels, image.shape.bytes(), out.pixels); }

Histogram histogram(const std::uint8_t* pixels, std::size_t count) {
  Histogram histogram{};
  for (std::size_t i = 0; i < count; ++i) ++histogram[pixels[i]];
  return histogram;
}

ByteTable auto_contrast_table(const std::uint8_t* pixels, std::size_t count) {
  const auto [lowest, highest] = std::minmax_element(pixels, pixels + count);
  if (*highest <= *lowest) return table_of([](int value) { return value; });
  const double scale = 255.0 / (*highest - *lowest);
  const double offset = -*lowest * scale;
  return table_of([&](int value) { return static_cast<int>(value * scale + offset); });
}

ByteTable equalize_table(const std::uint8_t* pixels, std::size_t count) {
  const Histogram counts = histogram(pixels, count);
  const auto used = std::count_if(counts.begin(), counts.end(), [](std::uint32_t n) { return n > 0; });
  const std::uint32_t last = *std::find_if(counts.rbegin(), counts.rend(), [](std::uint32_t n) { return n > 0; });
  const std::uint32_t step = (static_cast<std::uint32_t>(count) - last) / 255;
  if (used <= 1 || step == 0) return table_of([](int value) { return value; });
  std::uint32_t n = step / 2;
  return table_of([&](int value) {
    const std::uint32_t level = n / step;
    n += counts[static_cast<std::size_t>(value)];
    return static_cast<int>(level);
  });
}

}  // namespace

void adjust_brightness(const ConstImage& image, float factor, const Image& out) { blend_with(0, image, factor, out); }

void adjust_contrast(const ConstImage& image, float factor, const Image& out) {
  std::uint64_t sum = 0;
  for_each_grey(image, [&](std::size_t /*i*/, std::uint8_t value) { sum += value; });
  const double mean = static_cast<double>(sum) / static_cast<double>(image.shape.plane());
  blend_with(static_cast<int>(mean + 0.5), image, factor, out);
}

void adjust_saturation(const ConstImage& image, float factor, const Image& out) {
  const std::size_t plane = image.shape.plane();
  for_each_grey(image, [&](std::size_t i, std::uint8_t value) {
    for (std::size_t at = i; at < image.shape.bytes(); at += plane)
      out.pixels[at] = blend(value, image.pixels[at], factor);
  });
}

void adjust_sharpness(const ConstImage& image, float factor, const Image& out) {
  const auto [channels, height, width] = image.shape;
  copy(image, out);
  for (int channel = 0; channel < channels; ++channel) {
    for (int y = 1; y < height - 1; ++y) {
      const std::uint8_t* above = image.row(channel, y - 1);
      const std::uint8_t* here = image.row(channel, y);
      const std::uint8_t* below = image.row(channel, y + 1);
      for (int x = 1; x < width - 1; ++x) {
        const int sum = above[x - 1] + above[x] + above[x + 1] + here[x - 1] + 5 * here[x] + here[x + 1] +
                        below[x - 1] + below[x] + below[x + 1];
        // sum / 13, rounded: never half-way, so that f32 as PIL has it rounds to the same.
        out.row(channel, y)[x] = blend((2 * sum + 13) / 26, here[x], factor);
      }
    }
  }
}

void posterize(const ConstImage& image, int bits, const Image& out) {
  const int mask = ~((1 << (8 - bits)) - 1);
  look_up(image, table_of([&](int value) { return value & mask; }), out);
}

void solarize(const ConstImage& image, float threshold, const Image& out) {
  look_up(image, table_of([&](int v) { return static_cast<float>(v) < threshold ? v : 255 - v; }), out);
}

void solarize_add(const ConstImage& image, int addition, const Image& out) {
  look_up(image, table_of([&](int value) { return value < 128 ? value + addition : value; }), out);
}

void invert(const ConstImage& image, const Image& out) {
  look_up(image, table_of([](int value) { return 255 - value; }), out);
}

void auto_contrast(const ConstImage& image, const Image& out) {
  const std::size_t plane = image.shape.plane();
  for (std::size_t at = 0; at < image.shape.bytes(); at += plane)
    look_up(image.pixels + at, plane, auto_contrast_table(image.pixels + at, plane), out.pixels + at);
}

void equalize(const ConstImage& image, const Image& out) {
  const std::size_t plane = image.shape.plane();
  for (std::size_t at = 0; at < image.shape.bytes(); at += plane)
    look_up(image.pixels + at, plane, equalize_table(image.pixels + at, plane), out.pixels + at);
}

}  // namespace convmixer
