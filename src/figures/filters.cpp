#include "convmixer/figures/filters.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/figures/canvas.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <optional>
#include <span>
#include <variant>

namespace convmixer {

namespace {

constexpr Colour kBetween{64, 64, 64};  // filters
constexpr Colour kNoNumber{0, 0, 0};
constexpr std::int64_t kMostWeights = 1 << 20;  // of a drawing

/// ColorBrewer's RdBu of 11 classes, blue first: https://colorbrewer2.org (Apache 2.0).
constexpr std::array<Colour, 11> kDiverging{{{5, 48, 97},
                                             {33, 102, 172},
                                             {67, 147, 195},
                                             {146, 197, 222},
                                             {209, 229, 240},
                                             {247, 247, 247},
                                             {253, 219, 199},
                                             {244, 165, 130},
                                             {214, 96, 77},
                                             {178, 24, 43},
                                             {103, 0, 31}}};

/// Of a weight over its filter's largest, -1 to 1.
Colour diverging(float share) {
  constexpr auto kLast = static_cast<float>(kDiverging.size() - 1);
  // 64 steps are as many as the eye tells apart, and take half the bytes of 256.
  const float place = std::round((share + 1.0F) * 32.0F) / 64.0F * kLast;
  const auto below = std::min(static_cast<std::size_t>(place), kDiverging.size() - 2);
  const float rest = place - static_cast<float>(below);
  Colour colour{};
  for (std::size_t i = 0; i < colour.size(); ++i) {
    const auto from = static_cast<float>(kDiverging[below][i]);
    const auto to = static_cast<float>(kDiverging[below + 1][i]);
    colour[i] = static_cast<std::uint8_t>(std::lround(from + rest * (to - from)));
  }
  return colour;
}

std::uint8_t around_grey(float share) { return static_cast<std::uint8_t>(std::lround(127.5F + 127.5F * share)); }

/// One filter, (C, k, k).
struct Filter {
  std::span<const float> weights;
  std::size_t kernel;
  float largest = 0.0F;  // magnitude

  Filter(std::span<const float> all, std::size_t size) : weights(all), kernel(size) {
    for (const float weight : all)
      if (std::isfinite(weight)) largest = std::max(largest, std::abs(weight));
  }

  [[nodiscard]] std::size_t channels() const { return weights.size() / (kernel * kernel); }

  /// -1 to 1.
  [[nodiscard]] float share(std::size_t channel, std::size_t row, std::size_t column) const {
    const float weight = weights[(channel * kernel + row) * kernel + column];
    return largest > 0.0F ? weight / largest : weight;
  }

  [[nodiscard]] Colour colour(std::size_t channel, std::size_t row, std::size_t column) const {
    const float first = share(channel, row, column);
    if (channels() != 3) return std::isfinite(first) ? diverging(first) : kNoNumber;
    const float green = share(1, row, column);
    const float blue = share(2, row, column);
    if (!std::isfinite(first) || !std::isfinite(green) || !std::isfinite(blue)) return kNoNumber;
    return {around_grey(first), around_grey(green), around_grey(blue)};
  }
};

/// Filters beside one another, in squares of weights.
struct Grid {
  int kernel;
  int squares;  // of a filter, side by side
  int columns;  // filters in a row
  int rows;

  Grid(std::int64_t filters, int kernel_size, std::int64_t channels)
      : kernel(kernel_size), squares(channels == 3 ? 1 : static_cast<int>(channels)) {
    const double area = static_cast<double>(filters) * width() * height();
    const auto all = static_cast<double>(filters);
    columns = static_cast<int>(std::clamp(std::ceil(std::sqrt(area) / width()), 1.0, all));
    rows = static_cast<int>((filters + columns - 1) / columns);
  }

  /// Of a filter and the line to its right or below it.
  [[nodiscard]] int width() const { return squares * (kernel + 1); }
  [[nodiscard]] int height() const { return kernel + 1; }
};

PngImage draw(std::span<const float> weights, std::int64_t filters, const Grid& grid, int pixels) {
  Canvas canvas((grid.columns * grid.width() + 1) * pixels, (grid.rows * grid.height() + 1) * pixels, kBetween);
  const std::size_t size = weights.size() / static_cast<std::size_t>(filters);
  for (std::int64_t i = 0; i < filters; ++i) {
    const Filter filter(weights.subspan(static_cast<std::size_t>(i) * size, size),
                        static_cast<std::size_t>(grid.kernel));
    const int top = static_cast<int>(i) / grid.columns * grid.height() + 1;
    for (int square = 0; square < grid.squares; ++square) {
      const int left = static_cast<int>(i) % grid.columns * grid.width() + square * (grid.kernel + 1) + 1;
      for (int row = 0; row < grid.kernel; ++row)
        for (int column = 0; column < grid.kernel; ++column)
          canvas.fill((left + column) * pixels, (top + row) * pixels, pixels, pixels,
                      filter.colour(static_cast<std::size_t>(square), static_cast<std::size_t>(row),
                                    static_cast<std::size_t>(column)));
    }
  }
  return canvas.to_png();
}

/// Nothing for what isn't drawn: pointwise convolutions, and operations that are none.
std::optional<FilterKind> kind_of(const Graph& graph, const Node& node) {
  const auto* convolution = std::get_if<Convolution>(&node.operation);
  if (convolution == nullptr) return std::nullopt;
  if (node.inputs.front() == graph.input())
    return convolution->stride == convolution->kernel ? FilterKind::patch_embedding : FilterKind::first_convolution;
  const std::int64_t channels = graph.tensors()[static_cast<std::size_t>(node.inputs.front())][0];
  const bool of_each_channel = convolution->groups == channels && (channels > 1 || convolution->kernel > 1);
  return of_each_channel ? std::optional(FilterKind::depthwise) : std::nullopt;
}

}  // namespace

std::vector<FilterImage> draw_filters(const Parameters& parameters, const FilterDrawing& drawing) {
  if (drawing.weight_pixels < 1 || drawing.most_filters < 1)
    fail_usage("a drawing of {} filters, {} pixels to a weight: expected one at least", drawing.most_filters,
               drawing.weight_pixels);
  const Graph& graph = parameters.graph();
  std::array<int, 3> numbers{};  // by kind
  std::vector<FilterImage> images;
  for (const Node& node : graph.nodes()) {
    const std::optional<FilterKind> kind = kind_of(graph, node);
    if (!kind) continue;
    const auto& convolution = std::get<Convolution>(node.operation);
    const Shape& shape = graph.parameters()[static_cast<std::size_t>(convolution.weight)].shape;
    FilterImage image{.node = node.name,
                      .kind = *kind,
                      .number = ++numbers[static_cast<std::size_t>(*kind)],
                      .filters = shape[0],
                      .shown = 0,
                      .channels = shape[1],
                      .kernel = convolution.kernel,
                      .png = {}};
    const std::int64_t size = shape[1] * shape[2] * shape[3];
    image.shown = std::min({shape[0], drawing.most_filters, std::max<std::int64_t>(1, kMostWeights / size)});
    const auto weights = parameters.value(convolution.weight).first(static_cast<std::size_t>(image.shown * size));
    image.png = draw(weights, image.shown, Grid(image.shown, image.kernel, image.channels), drawing.weight_pixels);
    images.push_back(std::move(image));
  }
  return images;
}

}  // namespace convmixer
