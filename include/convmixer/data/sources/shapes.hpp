/// The embedded data set: ten classes of procedurally drawn 32x32 colour images; needs no download.
#pragma once

#include "convmixer/data/dataset.hpp"

#include <cstdint>
#include <memory>

namespace convmixer {

/// 10,000 training or 2,000 test images, balanced over the classes (so is every whole ten of them), the same on every
/// machine; `limit` > 0: only the first so many are drawn. Colours, positions, sizes, rotations, backgrounds, clutter
/// and noise are drawn at random, so that no pixel alone tells a class: a linear classifier stays below 60%, a small
/// ConvMixer passes 90%. Throws Error (usage) for a negative limit.
[[nodiscard]] std::unique_ptr<Dataset> make_shapes(Split split, std::int64_t limit = 0);

}  // namespace convmixer
