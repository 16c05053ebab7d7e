/// The filters of a network's convolutions, drawn.
#pragma once

#include "convmixer/figures/png.hpp"
#include "convmixer/graph/parameters.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace convmixer {

enum class FilterKind {
  patch_embedding,    ///< of a convolution that reads the image in patches
  depthwise,          ///< one for each channel
  first_convolution,  ///< of one that reads the image otherwise
};

/// All filters of one convolution in a grid as square as can be, by number from the upper left, row by row.
struct FilterImage {
  std::string node;  ///< "blocks.3.0.fn.0"
  FilterKind kind = FilterKind::depthwise;
  int number = 1;            ///< among those of its kind, from the input on
  std::int64_t filters = 0;  ///< that the convolution has
  std::int64_t shown = 0;    ///< the first of them
  std::int64_t channels = 1;
  int kernel = 1;
  PngImage png;
};

struct FilterDrawing {
  int weight_pixels = 1;            ///< a weight is a square of so many, at least 1: a page enlarges it itself
  std::int64_t most_filters = 256;  ///< of a convolution, at least 1; fewer where they are very large
};

/// Draws the filters of every patch embedding and depthwise convolution of a network, from the input on. Each filter
/// has a scale of its own, symmetrical around 0, on which its largest weight, by magnitude, is the end: what it looks
/// for shows, how strong it is doesn't.
///
/// Filters of three channels are colours, 0 a mid grey: an image that looks like the filter is what it answers to most.
/// Of any other number, each channel is a square of its own, side by side: weights above 0 are red, below 0 blue, 0
/// white, by ColorBrewer's RdBu. A weight that is not a number is black.
///
/// Throws Error (usage) for a drawing of 0 pixels or filters.
[[nodiscard]] std::vector<FilterImage> draw_filters(const Parameters& parameters, const FilterDrawing& drawing = {});

}  // namespace convmixer
