#include "data/augment/erasing.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace convmixer {

namespace {

constexpr int kErasingTries = 10;

/// Calls use(first value) for each row of the part, in every channel.
template <typename Use>
void for_each_row(const ImageShape& shape, const Rectangle& part, std::span<float> values, const Use& use) {
  assert(values.size() == shape.bytes());
  for (int channel = 0; channel < shape.channels; ++channel) {
    for (int y = part.top; y < part.top + part.height; ++y) {
      use(values.data() + static_cast<std::size_t>(channel) * shape.plane() +
          static_cast<std::size_t>(y) * static_cast<std::size_t>(shape.width) + static_cast<std::size_t>(part.left));
    }
  }
}

}  // namespace

std::optional<Rectangle> draw_erasing(const ErasingOptions& options, const ImageShape& shape, Rng& rng) {
  if (options.probability <= 0.0F || rng.uniform() >= options.probability) return std::nullopt;
  const float log_low = std::log(options.ratio_low);
  const float log_high = std::log(options.ratio_high);
  for (int i = 0; i < kErasingTries; ++i) {
    const double area =
        static_cast<double>(shape.plane()) * static_cast<double>(rng.uniform(options.scale_low, options.scale_high));
    const double ratio = std::exp(static_cast<double>(rng.uniform(log_low, log_high)));
    const int height = static_cast<int>(std::nearbyint(std::sqrt(area * ratio)));
    const int width = static_cast<int>(std::nearbyint(std::sqrt(area / ratio)));
    if (height >= shape.height || width >= shape.width) continue;
    const int top = static_cast<int>(rng.below(static_cast<std::uint32_t>(shape.height - height + 1)));
    const int left = static_cast<int>(rng.below(static_cast<std::uint32_t>(shape.width - width + 1)));
    return Rectangle{top, left, height, width};
  }
  return std::nullopt;
}

Rectangle draw_cutout(int size, const ImageShape& shape, Rng& rng) {
  const int top = static_cast<int>(rng.below(static_cast<std::uint32_t>(shape.height))) - size / 2;
  const int left = static_cast<int>(rng.below(static_cast<std::uint32_t>(shape.width))) - size / 2;
  const int bottom = std::min(top + size, shape.height);
  const int right = std::min(left + size, shape.width);
  return {std::max(0, top), std::max(0, left), bottom - std::max(0, top), right - std::max(0, left)};
}

void erase(const ImageShape& shape, const Rectangle& part, std::span<float> values) {
  for_each_row(shape, part, values, [&](float* row) { std::fill_n(row, part.width, 0.0F); });
}

void erase_with_noise(const ImageShape& shape, const Rectangle& part, Rng& rng, std::span<float> values) {
  for_each_row(shape, part, values,
               [&](float* row) { std::generate_n(row, part.width, [&] { return rng.normal(); }); });
}

}  // namespace convmixer
