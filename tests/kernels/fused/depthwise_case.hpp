/// Images and filters that depthwise stages are tested on, and what their plain twins share.
#pragma once

#include "kernels/fused/depthwise_filters.hpp"
#include "kernels/fused/depthwise_scratch.hpp"
#include "kernels/fused/stage_values.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace convmixer::testing_support {

using kernels::DepthwiseGeometry;
using kernels::DepthwiseScratch;
using kernels::kChannelBlock;

inline std::vector<DepthwiseGeometry> geometries() {
  std::vector<DepthwiseGeometry> all;
  for (const auto& [height, width] : {std::pair{1, 1}, std::pair{3, 5}, std::pair{16, 16}, std::pair{7, 33}}) {
    for (const int kernel : {1, 2, 3, 4, 5, 6, 7, 8, 9, 11}) {
      // An even kernel has a row more on one side or on the other.
      for (int padding = (kernel - 1) / 2; padding <= kernel / 2; ++padding) {
        all.push_back({static_cast<std::size_t>(height), static_cast<std::size_t>(width),
                       static_cast<std::size_t>(kernel), static_cast<std::size_t>(padding)});
      }
    }
  }
  all.push_back({5, 9, 20, 9});  // three passes over the filter's columns
  return all;
}

inline std::string name_of(const DepthwiseGeometry& g) {
  return fmt::format("{} x {} pixels, kernel {}, {} before", g.height, g.width, g.kernel, g.padding_begin);
}

/// Working memory that holds no number yet.
class Scratch {
 public:
  explicit Scratch(const DepthwiseGeometry& geometry) : memory_(untouched<float>(DepthwiseScratch::floats(geometry))) {
    std::ranges::fill(memory_, std::numeric_limits<float>::quiet_NaN());
  }
  [[nodiscard]] DepthwiseScratch& scratch() { return scratch_; }

 private:
  Values<float> memory_;
  DepthwiseScratch scratch_{memory_};
};

/// Filters (C, 1, k, k) of a block.
inline Values<float> random_filters(std::size_t kernel) {
  return random_values<float>(kChannelBlock * kernel * kernel, 11, 1.0 / static_cast<double>(kernel));
}
template <class Storage>
Values<float> packed(const Values<float>& filters, std::size_t kernel, bool flipped) {
  auto result = untouched<float>(kernels::packed_depthwise_size<Storage>(kernel));
  kernels::pack_depthwise<Storage>(filters, kChannelBlock, kernel, flipped, result);
  return result;
}

/// How far off the product of two numbers is, relative to it, because of the rounding of what is multiplied.
template <class Storage>
constexpr double kFactorsRounded = Storage::kValuesPerWord == 1 ? 0.0 : 2.0 * kBf16 + kBf16* kBf16;

/// Calls visit(tap, pixel read by it) for the taps of output pixel (y, x) that lie in the image.
template <typename Visit>
void for_taps(const DepthwiseGeometry& g, std::size_t y, std::size_t x, const Visit& visit) {
  for (std::size_t i = 0; i < g.kernel; ++i) {
    for (std::size_t j = 0; j < g.kernel; ++j) {
      const std::size_t from_y = y + i - g.padding_begin;  // unsigned: before the image it wraps round
      const std::size_t from_x = x + j - g.padding_begin;
      if (from_y < g.height && from_x < g.width) visit(i * g.kernel + j, from_y * g.width + from_x);
    }
  }
}

/// A number and how far off it may be.
struct Approximate {
  double value = 0.0;
  double error = 0.0;

  void add(const Approximate& other) {
    value += other.value;
    error += other.error;
  }
};

}  // namespace convmixer::testing_support
