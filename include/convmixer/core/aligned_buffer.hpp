/// Memory for tensors: zeroed, aligned for the widest vectors, never resized.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <utility>

namespace convmixer {

/// An owned, zero-initialised block of bytes aligned to 4096 (pages of the operating system; large blocks ask it for
/// huge pages). Its pages come into being when they are first written to, on the NUMA node of the thread that does it.
/// What is written past the last page ends the program.
class AlignedBuffer {
 public:
  static constexpr std::size_t kAlignment = 4096;

  AlignedBuffer() = default;
  /// Throws Error when the memory can't be had.
  explicit AlignedBuffer(std::size_t bytes);
  /// What was moved from is empty.
  AlignedBuffer(AlignedBuffer&& other) noexcept
      : data_(std::move(other.data_)), size_(std::exchange(other.size_, std::size_t{0})) {}
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    data_ = std::move(other.data_);
    if (this != &other) size_ = std::exchange(other.size_, std::size_t{0});
    return *this;
  }
  ~AlignedBuffer() = default;
  AlignedBuffer(const AlignedBuffer&) = delete;
  AlignedBuffer& operator=(const AlignedBuffer&) = delete;

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
  struct Unmap {
    std::size_t bytes;  // mapped from data on
    void operator()(std::byte* data) const noexcept;
  };
  std::unique_ptr<std::byte, Unmap> data_;
  std::size_t size_ = 0;
};

/// Writes zeros to a byte of every page of `memory`, which holds zeros: from then on they are near the calling thread.
void touch_pages(std::span<std::byte> memory) noexcept;

}  // namespace convmixer
