/// Arrays of known sizes, placed one after the other in a block that is allocated later.
#pragma once

#include "convmixer/core/thread_pool.hpp"

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

namespace convmixer {

/// Which of a pool's workers uses an array most. Its memory should lie on their NUMA node.
class ArrayUser {
 public:
  static constexpr ArrayUser anyone() { return {Kind::anyone, 0}; }
  /// The array is cut evenly among so many tasks of ThreadPool::for_each_task.
  static constexpr ArrayUser tasks(std::size_t count) { return {Kind::tasks, count}; }
  static constexpr ArrayUser worker(std::size_t number) { return {Kind::worker, number}; }

  /// The part of an array of `bytes` that is the worker's, as offsets of its begin and end.
  struct Part {
    std::size_t begin;
    std::size_t end;
  };
  [[nodiscard]] Part part_of(std::size_t worker, std::size_t workers, std::size_t bytes) const noexcept;

 private:
  enum class Kind { anyone, tasks, worker };
  constexpr ArrayUser(Kind kind, std::size_t number) : kind_(kind), number_(number) {}

  Kind kind_;
  std::size_t number_;
};

/// Pointers that are set once the block is there.
class PlacedMemory {
 public:
  /// `pointer`, which stays where it is, will point to `count` elements on a cache line's boundary (large arrays: a
  /// page's).
  template <typename T>
  void add(T*& pointer, std::size_t count, ArrayUser user = ArrayUser::anyone()) {
    constexpr std::size_t kPage = 4096;
    constexpr std::size_t kLine = 64;
    const std::size_t bytes = count * sizeof(T);
    const std::size_t alignment = bytes >= kPage ? kPage : kLine;
    bytes_ = (bytes_ + alignment - 1) / alignment * alignment;
    placed_.push_back(
        {[&pointer, offset = bytes_](std::byte* block) { pointer = reinterpret_cast<T*>(block + offset); }, bytes_,
         bytes, user});
    bytes_ += bytes;
  }

  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

  void place(std::byte* block) const {
    for (const Array& array : placed_) array.set(block);
  }

  /// Lets every worker be the first to touch its parts of a fresh block, zero so far: the system then puts them near
  /// it.
  void touch(std::byte* block, ThreadPool& pool) const;

 private:
  struct Array {
    std::function<void(std::byte*)> set;
    std::size_t offset;
    std::size_t bytes;
    ArrayUser user;
  };

  std::size_t bytes_ = 0;
  std::vector<Array> placed_;
};

}  // namespace convmixer
