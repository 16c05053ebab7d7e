/// Memory for tensors: zeroed, aligned for the widest vectors, never resized.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

namespace convmixer {

/// An owned, zero-initialised block of bytes aligned to 4096 (pages of the operating system;
/// large blocks ask it for huge pages).
class AlignedBuffer {
 public:
  static constexpr std::size_t kAlignment = 4096;

  AlignedBuffer() = default;
  /// Throws Error when the memory can't be had.
  explicit AlignedBuffer(std::size_t bytes);

  [[nodiscard]] std::byte* data() noexcept { return data_.get(); }
  [[nodiscard]] const std::byte* data() const noexcept { return data_.get(); }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// The whole block as elements of T; the size is a multiple of sizeof(T) or the rest is left out.
  template <typename T>
  [[nodiscard]] std::span<T> as() noexcept {
    return {reinterpret_cast<T*>(data_.get()), size_ / sizeof(T)};
  }
  template <typename T>
  [[nodiscard]] std::span<const T> as() const noexcept {
    return {reinterpret_cast<const T*>(data_.get()), size_ / sizeof(T)};
  }

 private:
  struct Free {
    void operator()(std::byte* data) const noexcept;
  };
  std::unique_ptr<std::byte, Free> data_;
  std::size_t size_ = 0;
};

}  // namespace convmixer
