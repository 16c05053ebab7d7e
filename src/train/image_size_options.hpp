/// The option of progressive image size.
#pragma once

#include "convmixer/data/image_sizes.hpp"
#include "convmixer/train/option.hpp"

#include <vector>

namespace convmixer {

/// `image-sizes`; `shares` must outlive it.
[[nodiscard]] Option image_sizes_option(std::vector<ImageSizeShare>& shares);

}  // namespace convmixer
