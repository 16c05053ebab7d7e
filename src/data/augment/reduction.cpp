#include "data/augment/reduction.hpp"

namespace convmixer {

Reduction::Reduction(const ImageShape& from, int image_size)
    : from_(from),
      to_{from.channels, image_size, image_size},
      horizontal_(from.width, image_size, ResizeFilter::bilinear),
      vertical_(from.height, image_size, ResizeFilter::bilinear) {}

std::size_t Reduction::working_bytes() const noexcept { return resize_working_bytes(from_.height, to_.width); }

void Reduction::reduce(std::span<const std::uint8_t> image, std::span<std::uint8_t> working,
                       std::span<std::uint8_t> out) const {
  resize({from_, image}, {0, 0, from_.height, from_.width}, horizontal_, vertical_, working, {to_, out});
}

}  // namespace convmixer
