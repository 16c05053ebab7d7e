/// How the batch of a training step is cut into the micro-batches that are computed one after the other.
#pragma once

#include <cstdint>
#include <string>

namespace convmixer {

/// Of `images` at most `largest` at a time: as few micro-batches as that takes, and those as equal as can be, the
/// larger ones first. 100 at most 33 at a time are four of 25: what a last one of 1 image tells a batch norm is little.
class MicroBatches {
 public:
  /// `images` is at least 1. `largest` 0, or `images` and more: all at once.
  MicroBatches(std::int64_t images, std::int64_t largest) noexcept;

  [[nodiscard]] std::int64_t images() const noexcept { return images_; }
  [[nodiscard]] std::int64_t count() const noexcept { return count_; }
  [[nodiscard]] std::int64_t largest() const noexcept { return size(0); }
  [[nodiscard]] std::int64_t smallest() const noexcept { return size(count_ - 1); }
  /// Images of a micro-batch, counted from 0.
  [[nodiscard]] std::int64_t size(std::int64_t micro_batch) const noexcept;

 private:
  std::int64_t images_;
  std::int64_t count_;
};

/// "8 micro-batches of 64", "3 micro-batches of 42 to 43"; empty for all at once.
[[nodiscard]] std::string describe(const MicroBatches& micro_batches);

}  // namespace convmixer
