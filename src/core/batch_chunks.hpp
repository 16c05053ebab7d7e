/// How a batch is cut into tasks, and among the ranks that train together.
/// Sizes (chunk): see "Words" in HACKING.md.
#pragma once

#include <algorithm>
#include <cstddef>

namespace convmixer {

/// Chunks of images that lie together. A chunk's sums are added up by one task, image by image, and the chunks' sums in
/// a tree (core/summation_tree.hpp): the cut depends on the batch size alone, so that results are the same for any
/// number of threads. From 16 images on the chunks can be divided by 8: a half, quarter or eighth of them is a subtree,
/// and of the batch, where it can be divided, too.
///
/// Of several ranks, each has a share of the chunks that lie together: for 2^n ranks a subtree, so that the ranks'
/// sums, added up in a tree of their own, are the whole tree's to the last bit. A share has no chunk where there are
/// fewer chunks than ranks.
class BatchChunks {
 public:
  /// `images` of all ranks.
  explicit BatchChunks(std::size_t images, int rank = 0, int ranks = 1)
      : images_(images), all_(chunks(images)), end_(all_) {
    for (int low = 0, high = ranks; high - low > 1;) {
      const int middle = (low + high) / 2;
      const std::size_t cut = (high - low) % 2 == 0
                                  ? (first_ + end_) / 2
                                  : first_ + (end_ - first_) * static_cast<std::size_t>(middle - low) /
                                                 static_cast<std::size_t>(high - low);
      (rank < middle ? high : low) = middle;
      (rank < middle ? end_ : first_) = cut;
    }
  }

  /// The share's; with one rank, the batch's.
  [[nodiscard]] std::size_t count() const noexcept { return end_ - first_; }
  /// Images are counted from the share's first.
  [[nodiscard]] std::size_t begin(std::size_t chunk) const noexcept { return place(first_ + chunk) - place(first_); }
  [[nodiscard]] std::size_t end(std::size_t chunk) const noexcept { return begin(chunk + 1); }
  [[nodiscard]] std::size_t size(std::size_t chunk) const noexcept { return end(chunk) - begin(chunk); }

  [[nodiscard]] std::size_t images() const noexcept { return place(end_) - place(first_); }
  /// The place of the share's first image in the batch of all ranks.
  [[nodiscard]] std::size_t first_image() const noexcept { return place(first_); }
  [[nodiscard]] std::size_t images_of_all_ranks() const noexcept { return images_; }

 private:
  /// Few chunks make few sums to add up in the end, many keep many cores busy: about four images each, 16 to 256.
  static std::size_t chunks(std::size_t images) {
    const std::size_t eights = (images + 16) / 32;
    return std::min(images, std::clamp(8 * eights, std::size_t{16}, std::size_t{256}));
  }

  [[nodiscard]] std::size_t place(std::size_t chunk) const noexcept { return all_ == 0 ? 0 : images_ * chunk / all_; }

  std::size_t images_;
  std::size_t all_;
  std::size_t first_ = 0;
  std::size_t end_;
};

}  // namespace convmixer
