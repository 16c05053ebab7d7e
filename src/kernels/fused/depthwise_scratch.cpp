#include "kernels/fused/depthwise_scratch.hpp"

#include "kernels/plain/channel_group.hpp"

#include <algorithm>

namespace convmixer::kernels {

namespace {

/// Pixels that kernels may read or write beyond an image: those computed at once, less one.
constexpr std::size_t kSlack = 16;

std::size_t padded_floats(const DepthwiseGeometry& geometry) {
  const std::size_t border = geometry.kernel - 1;
  return ((geometry.height + border) * (geometry.width + border) + kSlack) * kGroup;
}

std::size_t plain_floats(const DepthwiseGeometry& geometry) {
  return (geometry.height * geometry.width + kSlack) * kGroup;
}

}  // namespace

std::size_t DepthwiseScratch::floats(const DepthwiseGeometry& geometry) {
  return padded_floats(geometry) + 2 * plain_floats(geometry);
}

DepthwiseScratch::Areas DepthwiseScratch::prepare(const DepthwiseGeometry& geometry, std::size_t begin) {
  const std::size_t padded = padded_floats(geometry);
  if (zeroed_ != geometry || zeroed_begin_ != begin) {
    std::fill_n(memory_.data(), padded, 0.0F);
    zeroed_ = geometry;
    zeroed_begin_ = begin;
  }
  return {.padded = memory_.data(),
          .plain = memory_.data() + padded,
          .convolved = memory_.data() + padded + plain_floats(geometry),
          .padded_width = geometry.width + geometry.kernel - 1};
}

}  // namespace convmixer::kernels
