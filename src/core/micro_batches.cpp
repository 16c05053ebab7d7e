#include "convmixer/core/micro_batches.hpp"

#include <fmt/format.h>

namespace convmixer {

MicroBatches::MicroBatches(std::int64_t images, std::int64_t largest) noexcept
    : images_(images), count_(largest < 1 || largest >= images ? 1 : 1 + (images - 1) / largest) {}

std::int64_t MicroBatches::size(std::int64_t micro_batch) const noexcept {
  return images_ / count_ + (micro_batch < images_ % count_ ? 1 : 0);
}

std::string describe(const MicroBatches& micro_batches) {
  if (micro_batches.count() == 1) return "";
  const std::int64_t smallest = micro_batches.smallest();
  const std::int64_t largest = micro_batches.largest();
  const std::string size =
      smallest == largest ? fmt::format("{}", largest) : fmt::format("{} to {}", smallest, largest);
  return fmt::format("{} micro-batches of {}", micro_batches.count(), size);
}

}  // namespace convmixer
