#include "convmixer/data/affine.hpp"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <cmath>
#include <numbers>

namespace convmixer {

namespace {

/// Python's round(value, 15): the nearest decimal, by the exact value.
double rounded_to_15_decimals(double value) {
  std::array<char, 32> text;
  const auto written = std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed, 15);
  double rounded = 0.0;
  std::from_chars(text.data(), written.ptr, rounded);
  return rounded;
}

/// Where a coordinate falls: PIL's COORD.
int cell(double coordinate) { return coordinate < 0.0 ? -1 : static_cast<int>(coordinate); }

std::int32_t fixed(double value) { return static_cast<std::int32_t>(std::floor(value * 65536.0 + 0.5)); }

/// Calls put(x, y, source x, source y) for every pixel that comes from inside.
template <typename Put>
void scale_nearest(const ImageShape& shape, const AffineMatrix& m, const Put& put) {
  double source_y = m[5] + m[4] * 0.5;
  for (int y = 0; y < shape.height; ++y, source_y += m[4]) {
    double source_x = m[2] + m[0] * 0.5;
    const int from_y = cell(source_y);
    if (from_y < 0 || from_y >= shape.height) continue;
    for (int x = 0; x < shape.width; ++x, source_x += m[0]) {
      const int from_x = cell(source_x);
      if (from_x >= 0 && from_x < shape.width) put(x, y, from_x, from_y);
    }
  }
}

template <typename Put>
void fixed_nearest(const ImageShape& shape, const AffineMatrix& m, const Put& put) {
  const std::int32_t step_x = fixed(m[0]);
  const std::int32_t step_y = fixed(m[3]);
  std::int32_t row_x = fixed(m[2] + m[0] * 0.5 + m[1] * 0.5);
  std::int32_t row_y = fixed(m[5] + m[3] * 0.5 + m[4] * 0.5);
  for (int y = 0; y < shape.height; ++y, row_x += fixed(m[1]), row_y += fixed(m[4])) {
    std::int32_t source_x = row_x;
    std::int32_t source_y = row_y;
    for (int x = 0; x < shape.width; ++x, source_x += step_x, source_y += step_y) {
      const int from_x = source_x >> 16;
      const int from_y = source_y >> 16;
      if (from_x >= 0 && from_x < shape.width && from_y >= 0 && from_y < shape.height) put(x, y, from_x, from_y);
    }
  }
}

void transform_nearest(const ConstImage& image, const AffineMatrix& matrix, const Image& out) {
  const auto put = [&](int x, int y, int from_x, int from_y) {
    for (int channel = 0; channel < image.shape.channels; ++channel)
      out.row(channel, y)[x] = image.row(channel, from_y)[from_x];
  };
  if (matrix[1] == 0.0 && matrix[3] == 0.0) {
    scale_nearest(image.shape, matrix, put);
  } else {
    fixed_nearest(image.shape, matrix, put);
  }
}

double linear(double a, double b, double at) { return a + (b - a) * at; }

double cubic(double a, double b, double c, double d, double at) {
  const double p2 = -a + c;
  const double p3 = 2 * (a - b) + c - d;
  const double p4 = -a + b - c + d;
  return b + at * (p2 + at * (p3 + at * p4));
}

/// Values of one channel around a place, the border's beyond it.
struct Plane {
  const ConstImage& image;
  int channel;

  [[nodiscard]] double at(int x, int y) const {
    const int inside_y = std::clamp(y, 0, image.shape.height - 1);
    return image.row(channel, inside_y)[std::clamp(x, 0, image.shape.width - 1)];
  }
};

std::uint8_t bilinear(const Plane& plane, int x, int y, double dx, double dy) {
  const auto row = [&](int at) { return linear(plane.at(x, at), plane.at(x + 1, at), dx); };
  return static_cast<std::uint8_t>(linear(row(y), row(y + 1), dy));
}

std::uint8_t bicubic(const Plane& plane, int x, int y, double dx, double dy) {
  const auto row = [&](int at) {
    return cubic(plane.at(x - 1, at), plane.at(x, at), plane.at(x + 1, at), plane.at(x + 2, at), dx);
  };
  return static_cast<std::uint8_t>(std::clamp(cubic(row(y - 1), row(y), row(y + 1), row(y + 2), dy), 0.0, 255.0));
}

void transform_smooth(const ConstImage& image, const AffineMatrix& m, bool is_cubic, const Image& out) {
  for (int y = 0; y < image.shape.height; ++y) {
    for (int x = 0; x < image.shape.width; ++x) {
      const double centre_x = x + 0.5;
      const double centre_y = y + 0.5;
      const double from_x = m[0] * centre_x + m[1] * centre_y + m[2];
      const double from_y = m[3] * centre_x + m[4] * centre_y + m[5];
      if (from_x < 0.0 || from_x >= image.shape.width || from_y < 0.0 || from_y >= image.shape.height) continue;
      const double left = std::floor(from_x - 0.5);
      const double top = std::floor(from_y - 0.5);
      const double dx = from_x - 0.5 - left;
      const double dy = from_y - 0.5 - top;
      for (int channel = 0; channel < image.shape.channels; ++channel) {
        out.row(channel, y)[x] =
            (is_cubic ? bicubic : bilinear)({image, channel}, static_cast<int>(left), static_cast<int>(top), dx, dy);
      }
    }
  }
}

}  // namespace

AffineMatrix rotation(double degrees, const ImageShape& shape) {
  double turn = std::fmod(degrees, 360.0);
  if (turn < 0.0) turn += 360.0;
  const double angle = -(turn * (std::numbers::pi / 180.0));
  const double cosine = rounded_to_15_decimals(std::cos(angle));
  const double sine = rounded_to_15_decimals(std::sin(angle));
  const double centre_x = shape.width / 2.0;
  const double centre_y = shape.height / 2.0;
  return {cosine, sine,   cosine * -centre_x + sine * -centre_y + 0.0 + centre_x,
          -sine,  cosine, -sine * -centre_x + cosine * -centre_y + 0.0 + centre_y};
}

void transform(const ConstImage& image, const AffineMatrix& matrix, Interpolation interpolation,
               std::span<const std::uint8_t> fill, const Image& out) {
  assert(image.shape == out.shape && static_cast<int>(fill.size()) == image.shape.channels);
  for (int channel = 0; channel < image.shape.channels; ++channel)
    std::fill_n(out.row(channel, 0), image.shape.plane(), fill[static_cast<std::size_t>(channel)]);
  if (interpolation == Interpolation::nearest) {
    transform_nearest(image, matrix, out);
  } else {
    transform_smooth(image, matrix, interpolation == Interpolation::bicubic, out);
  }
}

}  // namespace convmixer
