#include "convmixer/data/sources/shapes.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/rng.hpp"
#include "convmixer/data/dataset_names.hpp"
#include "data/sources/outlines.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace convmixer {

namespace {

using outlines::Point;

constexpr int kSize = 32;
constexpr int kChannels = 3;
constexpr int kPixels = kSize * kSize;
constexpr int kClasses = static_cast<int>(outlines::kNames.size());
constexpr std::int64_t kTrainImages = 10'000;
constexpr std::int64_t kTestImages = 2'000;

/// Part of the data set: another value draws other images.
constexpr std::uint64_t kSeed = 0x5ac5'1e5d;

using Colour = std::array<float, kChannels>;  // 0..255

/// Rng::uniform(low, high), whose product and sum a compiler may fuse, in this file's exact arithmetic.
float uniform(Rng& rng, float low, float high) { return low + (high - low) * rng.uniform(); }

Colour random_colour(Rng& rng) {
  Colour colour{};
  for (float& channel : colour) channel = uniform(rng, 0.0F, 255.0F);
  return colour;
}

Colour nearby_colour(const Colour& colour, float reach, Rng& rng) {
  Colour other{};
  for (std::size_t c = 0; c < other.size(); ++c)
    other[c] = std::clamp(colour[c] + uniform(rng, -reach, reach), 0.0F, 255.0F);
  return other;
}

float brightness(const Colour& colour) { return 0.299F * colour[0] + 0.587F * colour[1] + 0.114F * colour[2]; }

float distance(const Colour& a, const Colour& b) {
  float squared = 0.0F;
  for (std::size_t c = 0; c < a.size(); ++c) squared += (a[c] - b[c]) * (a[c] - b[c]);
  return std::sqrt(squared);
}

/// Cosine and sine of a random angle whose tangent is within +-`tan_limit`, without sin and cos, whose last bits differ
/// between C libraries.
Point rotation_near_zero(float tan_limit, Rng& rng) {
  const float tangent = uniform(rng, -tan_limit, tan_limit);
  const float scale = 1.0F / std::sqrt(1.0F + tangent * tangent);
  return {scale, tangent * scale};
}

Point random_direction(Rng& rng) {
  while (true) {
    const Point point{uniform(rng, -1.0F, 1.0F), uniform(rng, -1.0F, 1.0F)};
    const float squared = point.x * point.x + point.y * point.y;
    if (squared > 1.0F || squared < 0.01F) continue;
    const float scale = 1.0F / std::sqrt(squared);
    return {point.x * scale, point.y * scale};
  }
}

/// One image in the making, channels as planes of values 0..255.
class Canvas {
 public:
  /// A linear gradient over the image along `direction`.
  void fill(const Colour& from, const Colour& to, Point direction) {
    for (int i = 0; i < kPixels; ++i) blend(i, mix(from, to, gradient_position(i, direction)), 1.0F);
  }

  /// Draws the shape around `centre`, within `radius`, that distance_to(point - centre) measures in pixels, negative
  /// inside; its edges are one pixel soft.
  template <typename Distance>
  void draw(Point centre, float radius, const Colour& from, const Colour& to, Point direction,
            const Distance& distance_to) {
    const auto pixel = [](float position) { return std::clamp(static_cast<int>(position), 0, kSize - 1); };
    for (int y = pixel(centre.y - radius - 1.0F); y <= pixel(centre.y + radius + 1.0F); ++y) {
      for (int x = pixel(centre.x - radius - 1.0F); x <= pixel(centre.x + radius + 1.0F); ++x) {
        const Point point{static_cast<float>(x) + 0.5F - centre.x, static_cast<float>(y) + 0.5F - centre.y};
        const float coverage = std::clamp(0.5F - distance_to(point), 0.0F, 1.0F);
        const int i = y * kSize + x;
        if (coverage > 0.0F) blend(i, mix(from, to, gradient_position(i, direction)), coverage);
      }
    }
  }

  /// Adds noise of standard deviation `deviation`, rounds, and writes planes of bytes.
  void finish(float deviation, Rng& rng, std::span<std::uint8_t> out) const {
    // The sum of four random bytes: nearly normal, in integers; its standard deviation is sqrt((256^2 - 1) / 3).
    const float scale = deviation / 147.80054F;
    for (std::size_t i = 0; i < out.size(); ++i) {
      const std::uint32_t bits = rng.next();
      const auto sum = static_cast<int>((bits & 255U) + (bits >> 8 & 255U) + (bits >> 16 & 255U) + (bits >> 24));
      const float value = values_[i] + scale * static_cast<float>(sum - 510);
      out[i] = static_cast<std::uint8_t>(std::clamp(value + 0.5F, 0.0F, 255.5F));
    }
  }

 private:
  static float gradient_position(int i, Point direction) {
    const int row = i / kSize;
    const int column = i % kSize;
    const float x = (static_cast<float>(column) + 0.5F) / kSize - 0.5F;
    const float y = (static_cast<float>(row) + 0.5F) / kSize - 0.5F;
    return std::clamp(0.5F + x * direction.x + y * direction.y, 0.0F, 1.0F);
  }

  static Colour mix(const Colour& from, const Colour& to, float position) {
    Colour colour{};
    for (std::size_t c = 0; c < colour.size(); ++c) colour[c] = from[c] + position * (to[c] - from[c]);
    return colour;
  }

  void blend(int i, const Colour& colour, float coverage) {
    for (std::size_t c = 0; c < colour.size(); ++c) {
      float& value = values_[c * kPixels + static_cast<std::size_t>(i)];
      value += coverage * (colour[c] - value);
    }
  }

  std::array<float, std::size_t{kChannels} * kPixels> values_{};
};

void draw_clutter(Canvas& canvas, Rng& rng) {
  const std::uint32_t pieces = 2 + rng.below(4);
  for (std::uint32_t piece = 0; piece < pieces; ++piece) {
    const Point centre{uniform(rng, 0.0F, kSize), uniform(rng, 0.0F, kSize)};
    const Point direction = random_direction(rng);
    const float half_length = uniform(rng, 0.0F, 7.0F);
    const float half_width = uniform(rng, 0.5F, 1.6F);
    const Colour colour = random_colour(rng);
    const auto capsule = [&](Point point) {
      const float along = std::clamp(point.x * direction.x + point.y * direction.y, -half_length, half_length);
      const float dx = point.x - along * direction.x;
      const float dy = point.y - along * direction.y;
      return std::sqrt(dx * dx + dy * dy) - half_width;
    };
    canvas.draw(centre, half_length + half_width, colour, colour, direction, capsule);
  }
}

void draw_image(int label, Rng rng, std::span<std::uint8_t> out) {
  constexpr float kGradientReach = 60.0F;
  constexpr float kLeastContrast = 80.0F;     // distance of the two colours in RGB
  constexpr float kLighterShare = 0.9F;       // of shapes lighter than their background: some signal for linear models
  constexpr float kLargestShift = 5.0F;       // of the centre from the image's, in pixels
  constexpr float kTangentOfRotation = 0.5F;  // about 27 degrees to either side

  Colour background = random_colour(rng);
  Colour foreground = random_colour(rng);
  while (distance(background, foreground) < kLeastContrast) foreground = random_colour(rng);
  if ((rng.uniform() < kLighterShare) != (brightness(foreground) > brightness(background)))
    std::swap(background, foreground);

  Canvas canvas;
  const Colour background_end = nearby_colour(background, kGradientReach, rng);
  canvas.fill(background, background_end, random_direction(rng));
  draw_clutter(canvas, rng);

  const float radius = uniform(rng, 7.5F, 12.0F);
  constexpr float kMiddle = kSize / 2.0F;
  const float room = std::min(kMiddle - radius, kLargestShift);
  const Point centre{kMiddle + uniform(rng, -room, room), kMiddle + uniform(rng, -room, room)};
  const Point turn = rotation_near_zero(kTangentOfRotation, rng);
  const float side = rng.below(2) == 0 ? 1.0F : -1.0F;  // mirrored or not
  const Colour foreground_end = nearby_colour(foreground, kGradientReach, rng);
  const Point shading = random_direction(rng);
  canvas.draw(centre, radius, foreground, foreground_end, shading, [&](Point point) {
    const Point turned{side * (point.x * turn.x + point.y * turn.y), point.y * turn.x - point.x * turn.y};
    return radius * outlines::signed_distance(label, {turned.x / radius, turned.y / radius});
  });
  canvas.finish(uniform(rng, 3.0F, 18.0F), rng, out);
}

class Shapes : public Dataset {
 public:
  Shapes(Split split, std::int64_t count)
      : class_names_(outlines::kNames.begin(), outlines::kNames.end()),
        pixels_(static_cast<std::size_t>(count) * kImageBytes),
        labels_(static_cast<std::size_t>(count)) {
    const std::uint32_t images = split == Split::train ? 0 : 1;
    const std::uint32_t orders = images + 2;
    std::array<int, kClasses> order{};
    for (std::size_t i = 0; i < labels_.size(); ++i) {
      const std::size_t within_ten = i % kClasses;
      if (within_ten == 0) {
        std::iota(order.begin(), order.end(), 0);
        Rng rng(kSeed, RandomStream::synthetic_data, orders, static_cast<std::uint32_t>(i));
        for (std::uint32_t j = kClasses; j > 1; --j) std::swap(order[j - 1], order[rng.below(j)]);
      }
      labels_[i] = order[within_ten];
      draw_image(labels_[i], Rng(kSeed, RandomStream::synthetic_data, images, static_cast<std::uint32_t>(i)),
                 std::span(pixels_).subspan(i * kImageBytes, kImageBytes));
    }
  }

  [[nodiscard]] std::int64_t size() const override { return static_cast<std::int64_t>(labels_.size()); }
  [[nodiscard]] int channels() const override { return kChannels; }
  [[nodiscard]] int image_size() const override { return kSize; }
  [[nodiscard]] const std::vector<std::string>& class_names() const override { return class_names_; }
  [[nodiscard]] Normalisation normalisation() const override { return default_normalisation(kShapesDataset); }
  [[nodiscard]] std::span<const std::uint8_t> image(std::int64_t index) const override {
    check_index(index);
    return std::span(pixels_).subspan(static_cast<std::size_t>(index) * kImageBytes, kImageBytes);
  }
  [[nodiscard]] std::int32_t label(std::int64_t index) const override {
    check_index(index);
    return labels_[static_cast<std::size_t>(index)];
  }

 private:
  static constexpr std::size_t kImageBytes = std::size_t{kChannels} * kPixels;

  std::vector<std::string> class_names_;
  std::vector<std::uint8_t> pixels_;
  std::vector<std::int32_t> labels_;
};

}  // namespace

std::unique_ptr<Dataset> make_shapes(Split split, std::int64_t limit) {
  if (limit < 0) fail_usage("limit on images: found {}, expected 0 (none) or more", limit);
  const std::int64_t all = split == Split::train ? kTrainImages : kTestImages;
  return std::make_unique<Shapes>(split, limit > 0 ? std::min(limit, all) : all);
}

}  // namespace convmixer
