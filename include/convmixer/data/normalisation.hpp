/// What pixels are normalised by.
#pragma once

#include <vector>

namespace convmixer {

/// Mean and standard deviation of each channel, pixels being scaled to 0..1: a network sees (pixel - mean) / std.
struct Normalisation {
  std::vector<float> mean;
  std::vector<float> std;
};

}  // namespace convmixer
