/// How a batch is cut into tasks.
/// Sizes (chunk): see "Words" in HACKING.md.
#pragma once

#include <algorithm>
#include <cstddef>

namespace convmixer::fused {

/// Chunks of images that lie together. A chunk's sums are added up by one task, image by image, and the chunks' sums in
/// a tree (core/summation_tree.hpp): the cut depends on the batch size alone, so that results are the same for any
/// number of threads. From 16 images on the chunks can be divided by 8: a half, quarter or eighth of them is a subtree,
/// and of the batch, where it can be divided, too.
class BatchChunks {
 public:
  explicit BatchChunks(std::size_t images) : images_(images), count_(chunks(images)) {}

  [[nodiscard]] std::size_t count() const noexcept { return count_; }
  [[nodiscard]] std::size_t begin(std::size_t chunk) const noexcept { return images_ * chunk / count_; }
  [[nodiscard]] std::size_t end(std::size_t chunk) const noexcept { return begin(chunk + 1); }
  [[nodiscard]] std::size_t size(std::size_t chunk) const noexcept { return end(chunk) - begin(chunk); }

 private:
  /// Few chunks make few sums to add up in the end, many keep many cores busy: about four images each, 16 to 256.
  static std::size_t chunks(std::size_t images) {
    const std::size_t eights = (images + 16) / 32;
    return std::min(images, std::clamp(8 * eights, std::size_t{16}, std::size_t{256}));
  }

  std::size_t images_;
  std::size_t count_;
};

}  // namespace convmixer::fused
