/// Arrays of known sizes, placed one behind the other in a block that is allocated later.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

namespace convmixer {

/// Pointers that are set once the block is there.
class PlacedMemory {
 public:
  /// `pointer`, which stays where it is, will point to `count` elements on a cache line's boundary (large arrays: a
  /// page's).
  template <typename T>
  void add(T*& pointer, std::size_t count) {
    constexpr std::size_t kPage = 4096;
    constexpr std::size_t kLine = 64;
    const std::size_t bytes = count * sizeof(T);
    const std::size_t alignment = bytes >= kPage ? kPage : kLine;
    bytes_ = (bytes_ + alignment - 1) / alignment * alignment;
    placed_.emplace_back(
        [&pointer, offset = bytes_](std::byte* block) { pointer = reinterpret_cast<T*>(block + offset); });
    bytes_ += bytes;
  }

  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

  void place(std::byte* block) const {
    for (const auto& set : placed_) set(block);
  }

 private:
  std::size_t bytes_ = 0;
  std::vector<std::function<void(std::byte*)>> placed_;
};

}  // namespace convmixer
