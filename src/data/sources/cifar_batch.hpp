/// The images and labels in one file of CIFAR's.
#pragma once

#include "data/sources/cifar_format.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace convmixer {

struct CifarBatch {
  std::vector<std::uint8_t> labels;
  const std::uint8_t* first_image = nullptr;  ///< (C, H, W) planes
  std::size_t stride = 0;                     ///< from one image to the next
  std::shared_ptr<const void> storage;        ///< what holds the images

  [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(labels.size()); }
  [[nodiscard]] std::span<const std::uint8_t> image(std::int64_t index) const {
    return {first_image + static_cast<std::size_t>(index) * stride, kCifarImageBytes};
  }
};

/// Reads a file of either version; the batch keeps `storage`, which holds `bytes`. `where` names the file in messages.
/// Throws Error for a file that is not a whole number of records or no such pickle, and for a label out of range.
[[nodiscard]] CifarBatch read_cifar_batch(std::span<const std::uint8_t> bytes, std::shared_ptr<const void> storage,
                                          CifarVersion version, const CifarFormat& format, const std::string& where);

}  // namespace convmixer
