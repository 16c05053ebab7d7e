/// How images are augmented and mixed, in words.
#pragma once

#include "convmixer/data/augment/augmentation.hpp"
#include "convmixer/data/augment/mix_options.hpp"

#include <string>

namespace convmixer::tool {

/// What is done to a training image, in its order; "none" for nothing.
[[nodiscard]] std::string describe(const Augmentation& augmentation);

/// How the images of a batch are mixed; "none" if they aren't.
[[nodiscard]] std::string describe(const MixOptions& mix);

}  // namespace convmixer::tool
