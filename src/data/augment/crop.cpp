#include "data/augment/crop.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>

namespace convmixer {

namespace {

constexpr int kCropTries = 10;

int mirrored(int at, int size) {
  if (at < 0) return -at;
  return at < size ? at : 2 * (size - 1) - at;
}

/// Python's round: halves to even.
int rounded(double value) { return static_cast<int>(std::nearbyint(value)); }

}  // namespace

void crop(const ConstImage& image, int top, int left, Padding padding, bool flip, const Image& out) {
  assert(image.shape.channels == out.shape.channels);
  const int height = image.shape.height;
  const int width = image.shape.width;
  const int first = std::clamp(-left, 0, out.shape.width);  // columns [first, last) lie inside
  const int last = std::clamp(width - left, first, out.shape.width);
  for (int channel = 0; channel < image.shape.channels; ++channel) {
    for (int y = 0; y < out.shape.height; ++y) {
      std::uint8_t* const to = out.row(channel, y);
      const bool is_inside = top + y >= 0 && top + y < height;
      if (padding == Padding::zeros && !is_inside) {
        std::memset(to, 0, static_cast<std::size_t>(out.shape.width));
        continue;
      }
      const std::uint8_t* const from = image.row(channel, is_inside ? top + y : mirrored(top + y, height));
      const auto beyond = [&](int x) {
        return padding == Padding::zeros ? std::uint8_t{0} : from[mirrored(left + x, width)];
      };
      for (int x = 0; x < first; ++x) to[x] = beyond(x);
      std::copy_n(from + left + first, last - first, to + first);
      for (int x = last; x < out.shape.width; ++x) to[x] = beyond(x);
    }
  }
  if (flip) flip_horizontally(out);
}

void flip_horizontally(const Image& image) {
  for (int channel = 0; channel < image.shape.channels; ++channel) {
    for (int y = 0; y < image.shape.height; ++y) {
      std::uint8_t* const row = image.row(channel, y);
      std::reverse(row, row + image.shape.width);
    }
  }
}

Rectangle draw_resized_crop(const ResizedCropOptions& options, const ImageShape& shape, Rng& rng) {
  const auto [channels, height, width] = shape;
  const auto area = static_cast<double>(shape.plane());
  const float log_low = std::log(options.ratio_low);
  const float log_high = std::log(options.ratio_high);
  for (int i = 0; i < kCropTries; ++i) {
    const double target = area * static_cast<double>(rng.uniform(options.scale_low, options.scale_high));
    const double ratio = std::exp(static_cast<double>(rng.uniform(log_low, log_high)));
    const Rectangle box{
        .top = 0, .left = 0, .height = rounded(std::sqrt(target / ratio)), .width = rounded(std::sqrt(target * ratio))};
    if (box.width < 1 || box.width > width || box.height < 1 || box.height > height) continue;
    const auto place = [&](int room) { return static_cast<int>(rng.below(static_cast<std::uint32_t>(room) + 1)); };
    const int top = place(height - box.height);
    return {top, place(width - box.width), box.height, box.width};
  }
  const double own_ratio = static_cast<double>(width) / height;
  Rectangle box{.top = 0, .left = 0, .height = height, .width = width};
  if (own_ratio < static_cast<double>(options.ratio_low)) {
    box.height = std::max(1, rounded(width / static_cast<double>(options.ratio_low)));
  } else if (own_ratio > static_cast<double>(options.ratio_high)) {
    box.width = std::max(1, rounded(height * static_cast<double>(options.ratio_high)));
  }
  box.top = (height - box.height) / 2;
  box.left = (width - box.width) / 2;
  return box;
}

}  // namespace convmixer
