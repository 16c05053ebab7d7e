#include "data/augment/affine.hpp"

#include "kernels/image/image_nearest.hpp"

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

/// Whether all coordinates fit: PIL's check_fixed.
bool fits_fixed(const ImageShape& shape, const AffineMatrix& m) {
  for (const int x : {0, shape.width}) {
    for (const int y : {0, shape.height}) {
      if (!(std::abs(x * m[0] + y * m[1] + m[2]) < 32768.0 && std::abs(x * m[3] + y * m[4] + m[5]) < 32768.0))
        return false;
    }
  }
  return true;
}

/// In f64, for what doesn't fit and, in PIL, for matrices that only scale and move.
void transform_in_doubles(const ConstImage& image, const AffineMatrix& m, const Image& out) {
  const auto [channels, height, width] = image.shape;
  double row_x = m[2] + m[1] * 0.5 + m[0] * 0.5;
  double row_y = m[5] + m[4] * 0.5 + m[3] * 0.5;
  for (int y = 0; y < height; ++y, row_x += m[1], row_y += m[4]) {
    double source_x = row_x;
    double source_y = row_y;
    for (int x = 0; x < width; ++x, source_x += m[0], source_y += m[3]) {
      const int from_x = cell(source_x);
      const int from_y = cell(source_y);
      if (from_x < 0 || from_x >= width || from_y < 0 || from_y >= height) continue;
      for (int channel = 0; channel < channels; ++channel) out.row(channel, y)[x] = image.row(channel, from_y)[from_x];
    }
  }
}

void transform_nearest(const ConstImage& image, const AffineMatrix& m, const Image& out) {
  const bool scales = m[1] == 0.0 && m[3] == 0.0;
  // Whole pixels, the usual case of what only scales and moves, are the same in fixed point.
  const bool moves = scales && m[0] == 1.0 && m[4] == 1.0 && m[2] == std::trunc(m[2]) && m[5] == std::trunc(m[5]);
  if ((scales && !moves) || !fits_fixed(image.shape, m)) return transform_in_doubles(image, m, out);
  const kernels::FixedAffine affine{.x = fixed(m[2] + m[0] * 0.5 + m[1] * 0.5),
                                    .y = fixed(m[5] + m[3] * 0.5 + m[4] * 0.5),
                                    .step_x = fixed(m[0]),
                                    .step_y = fixed(m[3]),
                                    .row_x = fixed(m[1]),
                                    .row_y = fixed(m[4])};
  kernels::transform_fixed(affine, image.pixels, static_cast<std::size_t>(image.shape.channels), image.shape.height,
                           image.shape.width, out.pixels);
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
