/// Mean and standard deviation of each colour over many images.
#pragma once

#include "convmixer/data/normalisation.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace convmixer {

class ColourStatistics {
 public:
  explicit ColourStatistics(int channels);

  /// An image, or several one after the other, as (C, H, W) planes of one size.
  void add(std::span<const std::uint8_t> images, int image_size);

  /// Of all images so far, at least one, pixels being 0 to 1; from exact sums. A deviation of less than one step of a
  /// byte counts as that: images of one colour throughout couldn't be divided by it.
  [[nodiscard]] Normalisation normalisation() const;

 private:
  std::vector<std::uint64_t> sums_;
  std::vector<std::uint64_t> squares_;
  std::uint64_t pixels_ = 0;  // of one colour
};

}  // namespace convmixer
