#include "data/colour_statistics.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace convmixer {

ColourStatistics::ColourStatistics(int channels)
    : sums_(static_cast<std::size_t>(channels)), squares_(static_cast<std::size_t>(channels)) {}

void ColourStatistics::add(std::span<const std::uint8_t> images, int image_size) {
  const std::size_t plane = static_cast<std::size_t>(image_size) * static_cast<std::size_t>(image_size);
  assert(images.size() % (plane * sums_.size()) == 0);
  std::size_t colour = 0;
  for (std::size_t at = 0; at < images.size(); at += plane) {
    std::uint64_t sum = 0;
    std::uint64_t squares = 0;
    for (const std::uint64_t pixel : images.subspan(at, plane)) {
      sum += pixel;
      squares += pixel * pixel;
    }
    sums_[colour] += sum;
    squares_[colour] += squares;
    colour = (colour + 1) % sums_.size();
  }
  pixels_ += images.size() / sums_.size();
}

Normalisation ColourStatistics::normalisation() const {
  Normalisation result;
  const auto count = static_cast<double>(pixels_);
  for (std::size_t colour = 0; colour < sums_.size(); ++colour) {
    const double mean = static_cast<double>(sums_[colour]) / count;
    const double variance = static_cast<double>(squares_[colour]) / count - mean * mean;
    result.mean.push_back(static_cast<float>(mean / 255.0));
    result.std.push_back(static_cast<float>(std::sqrt(std::max(variance, 1.0)) / 255.0));
  }
  return result;
}

}  // namespace convmixer
