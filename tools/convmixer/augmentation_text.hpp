/// How images are augmented, in words.
#pragma once

#include "convmixer/data/augment.hpp"

#include <string>

namespace convmixer::tool {

/// What is done to a training image, in its order; "none" for nothing.
[[nodiscard]] std::string describe(const Augmentation& augmentation);

}  // namespace convmixer::tool
