#include "data/augment/pixel_operations.hpp"

#include "kernels/image/image_blend.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <optional>

namespace convmixer {

namespace {

using ByteTable = std::array<std::uint8_t, 256>;
using Histogram = std::array<std::uint32_t, 256>;

std::uint8_t clip(int value) { return static_cast<std::uint8_t>(std::clamp(value, 0, 255)); }

void look_up(const std::uint8_t* from, std::size_t count, const ByteTable& table, std::uint8_t* to) {
  for (std::size_t i = 0; i < count; ++i) to[i] = table[from[i]];
}

void copy(const ConstImage& image, const Image& out) { std::copy_n(image.pixels, image.shape.bytes(), out.pixels); }

/// Out of a byte a byte, simple enough for the compiler's vectors.
template <typename Function>
void map(const ConstImage& image, const Image& out, const Function& function) {
  const std::uint8_t* const from = image.pixels;
  std::uint8_t* const to = out.pixels;
  const std::size_t count = image.shape.bytes();
  for (std::size_t i = 0; i < count; ++i) to[i] = function(from[i]);
}

/// Four counters for each value, so that one increment needn't wait for the one before.
Histogram histogram(const std::uint8_t* pixels, std::size_t count) {
  std::array<Histogram, 4> parts{};
  std::size_t i = 0;
  for (; i + 4 <= count; i += 4) {
    for (std::size_t part = 0; part < 4; ++part) ++parts[part][pixels[i + part]];
  }
  for (; i < count; ++i) ++parts[0][pixels[i]];
  for (std::size_t value = 0; value < 256; ++value)
    parts[0][value] += parts[1][value] + parts[2][value] + parts[3][value];
  return parts[0];
}

/// Nothing where the values are to stay.
std::optional<ByteTable> auto_contrast_table(const std::uint8_t* pixels, std::size_t count) {
  std::uint8_t lowest = 255;
  std::uint8_t highest = 0;
  for (std::size_t i = 0; i < count; ++i) {
    lowest = std::min(lowest, pixels[i]);
    highest = std::max(highest, pixels[i]);
  }
  if (highest <= lowest) return std::nullopt;
  const double scale = 255.0 / (highest - lowest);
  const double offset = -lowest * scale;
  ByteTable table;  // of the values that there are
  for (int value = lowest; value <= highest; ++value)
    table[static_cast<std::size_t>(value)] = clip(static_cast<int>(value * scale + offset));
  return table;
}

std::optional<ByteTable> equalize_table(const std::uint8_t* pixels, std::size_t count) {
  const Histogram counts = histogram(pixels, count);
  const auto used = std::count_if(counts.begin(), counts.end(), [](std::uint32_t n) { return n > 0; });
  const std::uint32_t last = *std::find_if(counts.rbegin(), counts.rend(), [](std::uint32_t n) { return n > 0; });
  const std::uint32_t step = (static_cast<std::uint32_t>(count) - last) / 255;
  if (used <= 1 || step == 0) return std::nullopt;
  std::array<std::int32_t, 256> below;  // sums in whole numbers; then quotients, in f64, which has vectors and is exact
  std::uint32_t sum = step / 2;
  for (std::size_t value = 0; value < 256; ++value) {
    below[value] = static_cast<std::int32_t>(sum);
    sum += counts[value];
  }
  ByteTable table;
  for (std::size_t value = 0; value < 256; ++value)
    table[value] = static_cast<std::uint8_t>(std::min(255, static_cast<int>(below[value] / static_cast<double>(step))));
  return table;
}

/// Maps each channel by a table of its own.
template <typename MakeTable>
void map_channels(const ConstImage& image, const Image& out, const MakeTable& make_table) {
  const std::size_t plane = image.shape.plane();
  for (std::size_t at = 0; at < image.shape.bytes(); at += plane) {
    if (const std::optional<ByteTable> table = make_table(image.pixels + at, plane)) {
      look_up(image.pixels + at, plane, *table, out.pixels + at);
    } else {
      std::copy_n(image.pixels + at, plane, out.pixels + at);
    }
  }
}

}  // namespace

void adjust_brightness(const ConstImage& image, float factor, const Image& out) {
  kernels::blend_with_constant(0, image.pixels, image.shape.bytes(), factor, out.pixels);
}

void adjust_contrast(const ConstImage& image, float factor, const Image& out) {
  const std::size_t plane = image.shape.plane();
  const std::uint64_t sum = image.shape.channels == 1
                                ? std::accumulate(image.pixels, image.pixels + plane, std::uint64_t{0})
                                : kernels::sum_of_greys(image.pixels, plane);
  const auto mean = static_cast<std::uint8_t>(static_cast<double>(sum) / static_cast<double>(plane) + 0.5);
  kernels::blend_with_constant(mean, image.pixels, image.shape.bytes(), factor, out.pixels);
}

void adjust_saturation(const ConstImage& image, float factor, const Image& out) {
  if (image.shape.channels == 1) return copy(image, out);  // grey already
  kernels::blend_with_grey(image.pixels, image.shape.plane(), factor, out.pixels);
}

void adjust_sharpness(const ConstImage& image, float factor, const Image& out) {
  const auto [channels, height, width] = image.shape;
  copy(image, out);
  if (width < 3) return;
  for (int channel = 0; channel < channels; ++channel) {
    for (int y = 1; y < height - 1; ++y)
      kernels::blend_with_smooth(image.row(channel, y - 1), image.row(channel, y), image.row(channel, y + 1),
                                 static_cast<std::size_t>(width), factor, out.row(channel, y));
  }
}

void posterize(const ConstImage& image, int bits, const Image& out) {
  const auto mask = static_cast<std::uint8_t>(~((1 << (8 - bits)) - 1));
  map(image, out, [=](std::uint8_t value) { return static_cast<std::uint8_t>(value & mask); });
}

void solarize(const ConstImage& image, float threshold, const Image& out) {
  // The highest value that stays; there may be none.
  const int highest = static_cast<int>(std::ceil(std::clamp(threshold, 0.0F, 256.0F))) - 1;
  if (highest < 0) return invert(image, out);
  const auto last = static_cast<std::uint8_t>(highest);
  map(image, out, [=](std::uint8_t value) { return value <= last ? value : static_cast<std::uint8_t>(~value); });
}

void solarize_add(const ConstImage& image, int addition, const Image& out) {
  const auto added = static_cast<std::uint8_t>(std::min(addition, 255));
  const auto most = static_cast<std::uint8_t>(255 - added);
  map(image, out, [=](std::uint8_t value) {
    const auto sum = static_cast<std::uint8_t>(std::min(value, most) + added);
    return value < 128 ? sum : value;
  });
}

void invert(const ConstImage& image, const Image& out) {
  map(image, out, [](std::uint8_t value) { return static_cast<std::uint8_t>(~value); });
}

void auto_contrast(const ConstImage& image, const Image& out) { map_channels(image, out, auto_contrast_table); }

void equalize(const ConstImage& image, const Image& out) { map_channels(image, out, equalize_table); }

}  // namespace convmixer
