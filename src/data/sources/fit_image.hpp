/// An image of any size made square.
#pragma once

#include "convmixer/data/dataset_options.hpp"
#include "data/decode/decoded_image.hpp"

#include <cstdint>
#include <span>

namespace convmixer {

/// Writes the image as (3, S, S) planes, as torchvision does on PIL images, antialiased bilinear:
///   Fit::crop     transforms.Resize(S), the shorter side becoming S, then transforms.CenterCrop(S)
///   Fit::stretch  transforms.Resize((S, S)), whatever the aspect ratio
/// Throws Error with the reason for sides of more than 50 to 1.
void fit_image(const DecodedImage& image, int image_size, Fit fit, std::span<std::uint8_t> out);

}  // namespace convmixer
