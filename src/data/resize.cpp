#include "convmixer/data/resize.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace convmixer {

namespace {

constexpr int kPrecisionBits = 22;

double triangle(double x) { return std::max(0.0, 1.0 - std::abs(x)); }

/// Keys, "Cubic convolution interpolation for digital image processing", IEEE TASSP 29(6), 1981.
double keys_cubic(double x) {
  constexpr double kA = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((kA + 2.0) * x - (kA + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * kA;
  return 0.0;
}

std::int32_t to_fixed(double weight) {
  return static_cast<std::int32_t>((weight < 0.0 ? -0.5 : 0.5) + weight * (1 << kPrecisionBits));
}

std::uint8_t to_byte(std::int32_t sum) { return static_cast<std::uint8_t>(std::clamp(sum >> kPrecisionBits, 0, 255)); }

/// Rows of `width` bytes, `stride` apart, made `to_width` wide.
void resize_rows(const std::uint8_t* from, std::size_t stride, int rows, const ResizeWeights& weights, int to_width,
                 std::uint8_t* to) {
  for (int y = 0; y < rows; ++y, from += stride, to += to_width) {
    const std::int32_t* weight = weights.weight.data();
    for (int x = 0; x < to_width; ++x, weight += weights.taps) {
      const std::uint8_t* pixel = from + weights.first[static_cast<std::size_t>(x)];
      std::int32_t sum = 1 << (kPrecisionBits - 1);
      for (int k = 0; k < weights.taps; ++k) sum += pixel[k] * weight[k];
      to[x] = to_byte(sum);
    }
  }
}

/// Columns of rows of `width` bytes, `stride` apart, made `to_height` high.
void resize_columns(const std::uint8_t* from, std::size_t stride, int width, const ResizeWeights& weights,
                    int to_height, std::uint8_t* to) {
  const std::int32_t* weight = weights.weight.data();
  for (int y = 0; y < to_height; ++y, weight += weights.taps, to += width) {
    const std::uint8_t* row = from + static_cast<std::size_t>(weights.first[static_cast<std::size_t>(y)]) * stride;
    for (int x = 0; x < width; ++x) {
      std::int32_t sum = 1 << (kPrecisionBits - 1);
      for (int k = 0; k < weights.taps; ++k)
        sum += row[static_cast<std::size_t>(k) * stride + static_cast<std::size_t>(x)] * weight[k];
      to[x] = to_byte(sum);
    }
  }
}

}  // namespace

ResizeWeights::ResizeWeights(int in, int out, ResizeFilter filter) {
  assert(in >= 1 && out >= 1);
  const auto shape = filter == ResizeFilter::bilinear ? triangle : keys_cubic;
  const double scale = static_cast<double>(in) / out;
  const double stretch = std::max(1.0, scale);
  const double support = (filter == ResizeFilter::bilinear ? 1.0 : 2.0) * stretch;
  const double shrink = 1.0 / stretch;
  taps = std::min(in, static_cast<int>(std::ceil(support)) * 2 + 1);
  first.resize(static_cast<std::size_t>(out));
  weight.resize(static_cast<std::size_t>(out) * static_cast<std::size_t>(taps));
  std::vector<double> exact(static_cast<std::size_t>(taps));
  for (int i = 0; i < out; ++i) {
    const double centre = (i + 0.5) * scale;
    const int begin = std::max(0, static_cast<int>(centre - support + 0.5));
    const int count = std::min(in, static_cast<int>(centre + support + 0.5)) - begin;
    double sum = 0.0;
    for (int k = 0; k < count; ++k) {
      exact[static_cast<std::size_t>(k)] = shape((k + begin - centre + 0.5) * shrink);
      sum += exact[static_cast<std::size_t>(k)];
    }
    // All windows have the same length: where one would reach beyond the last pixel it begins earlier, with zeros.
    const int start = std::min(begin, in - taps);
    first[static_cast<std::size_t>(i)] = start;
    for (int k = 0; k < count; ++k) {
      const double value = exact[static_cast<std::size_t>(k)];
      weight[static_cast<std::size_t>(i * taps + begin - start + k)] = to_fixed(sum != 0.0 ? value / sum : value);
    }
  }
}

std::size_t resize_working_bytes(int box_height, int out_width) {
  return static_cast<std::size_t>(box_height) * static_cast<std::size_t>(out_width);
}

void resize(const ConstImage& image, const Rectangle& box, const ResizeWeights& horizontal,
            const ResizeWeights& vertical, std::span<std::uint8_t> working, const Image& out) {
  assert(image.shape.channels == out.shape.channels);
  assert(box.top >= 0 && box.left >= 0 && box.top + box.height <= image.shape.height &&
         box.left + box.width <= image.shape.width);
  const bool rows_stay = box.width == out.shape.width;
  const bool columns_stay = box.height == out.shape.height;
  assert(rows_stay || columns_stay || working.size() >= resize_working_bytes(box.height, out.shape.width));
  for (int channel = 0; channel < image.shape.channels; ++channel) {
    const std::uint8_t* from = image.row(channel, box.top) + box.left;
    std::size_t stride = static_cast<std::size_t>(image.shape.width);
    std::uint8_t* const to = out.row(channel, 0);
    if (!rows_stay) {
      std::uint8_t* const rows = columns_stay ? to : working.data();
      resize_rows(from, stride, box.height, horizontal, out.shape.width, rows);
      from = rows;
      stride = static_cast<std::size_t>(out.shape.width);
    }
    if (!columns_stay) {
      resize_columns(from, stride, out.shape.width, vertical, out.shape.height, to);
    } else if (rows_stay) {
      for (int y = 0; y < box.height; ++y)
        std::copy_n(from + static_cast<std::size_t>(y) * stride, box.width, out.row(channel, y));
    }
  }
}

}  // namespace convmixer
