/// Progressive image size: for the first epochs training images are reduced, which makes their steps cheaper.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace convmixer {

/// One part of a training: images of so many pixels in each direction, in this share of its epochs.
struct ImageSizeShare {
  int image_size = 0;
  double share = 0.0;  ///< above 0, at most 1

  bool operator==(const ImageSizeShare&) const = default;
};

/// "16:0.4,24:0.3,32:0.3" as three of them, "off" as none; nothing for a text that is neither, for sizes below 1 and
/// for shares that aren't numbers above 0 and at most 1.
[[nodiscard]] std::optional<std::vector<ImageSizeShare>> parse_image_sizes(const std::string& text);
[[nodiscard]] std::string to_string(std::span<const ImageSizeShare> shares);

/// Epochs, counted from 0, whose training images have one size.
struct ImageSizeStretch {
  int image_size = 0;
  std::int64_t first_epoch = 0;
  std::int64_t end_epoch = 0;  ///< the one after the last; epochs after the last stretch are like its own

  bool operator==(const ImageSizeStretch&) const = default;
};

/// The stretches of a training: each ends at the whole epoch that is nearest to where the shares up to it end, so none
/// is off by more than its two borders are rounded. Throws Error (usage), beginning with "image-sizes = ", unless the
/// shares add up to 1 (within 0.001) and each makes at least one epoch.
[[nodiscard]] std::vector<ImageSizeStretch> image_size_stretches(std::span<const ImageSizeShare> shares,
                                                                 std::int64_t epochs);

/// The size of an epoch's training images; `whole`, that of the data set's, without stretches.
[[nodiscard]] int image_size_in(std::span<const ImageSizeStretch> stretches, std::int64_t epoch, int whole);

/// The different sizes, the largest first; `whole` alone without stretches.
[[nodiscard]] std::vector<int> distinct_sizes(std::span<const ImageSizeStretch> stretches, int whole);

}  // namespace convmixer
