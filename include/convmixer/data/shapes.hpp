/// The embedded data set: ten classes of procedurally drawn 32x32 colour images; needs no download.
#pragma once

#include "convmixer/data/dataset.hpp"

namespace convmixer {

/// 10,000 training and 2,000 test images, balanced over the classes, the same on every machine. Colours, positions,
/// sizes, rotations, backgrounds and noise are drawn at random, so that no pixel alone tells a class: a linear
/// classifier stays below 60%, a small ConvMixer passes 90%.
[[nodiscard]] std::unique_ptr<Dataset> make_shapes(Split split);

}  // namespace convmixer
