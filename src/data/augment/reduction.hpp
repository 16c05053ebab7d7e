/// Images made smaller after they were augmented: crops, shifts and policies then mean the same at every size, and
/// what comes later, mixing and erasing, goes by shares of the image. Bit for bit as PIL's and torchvision's
/// antialiased bilinear resize.
#pragma once

#include "data/augment/image.hpp"
#include "data/augment/resize.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace convmixer {

/// From images of one shape to square ones of another. Immutable: any number of threads may use it.
class Reduction {
 public:
  /// `image_size` is at least 1.
  Reduction(const ImageShape& from, int image_size);

  /// Of what it makes.
  [[nodiscard]] const ImageShape& shape() const noexcept { return to_; }
  /// Bytes of working memory that reduce() needs.
  [[nodiscard]] std::size_t working_bytes() const noexcept;

  /// `image` and `out` are (C, H, W) and don't overlap.
  void reduce(std::span<const std::uint8_t> image, std::span<std::uint8_t> working, std::span<std::uint8_t> out) const;

 private:
  ImageShape from_;
  ImageShape to_;
  ResizeWeights horizontal_;
  ResizeWeights vertical_;
};

}  // namespace convmixer
