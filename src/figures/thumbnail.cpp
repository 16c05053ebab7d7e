#include "convmixer/figures/thumbnail.hpp"

#include "convmixer/core/error.hpp"
#include "data/augment/reduction.hpp"

#include <vector>

namespace convmixer {

PngImage draw_thumbnail(int channels, int side, std::span<const std::uint8_t> planes, int most_pixels) {
  if (most_pixels < 1) fail_usage("a thumbnail of {} pixels: expected one at least", most_pixels);
  const ImageShape shape{.channels = channels, .height = side, .width = side};
  if (side <= most_pixels || planes.size() != shape.bytes()) return encode_png_planes(channels, side, side, planes);
  const Reduction reduction(shape, most_pixels);
  std::vector<std::uint8_t> working(reduction.working_bytes());
  std::vector<std::uint8_t> reduced(reduction.shape().bytes());
  reduction.reduce(planes, working, reduced);
  return encode_png_planes(channels, most_pixels, most_pixels, reduced);
}

}  // namespace convmixer
