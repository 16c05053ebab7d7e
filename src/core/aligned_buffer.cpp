#include "convmixer/core/aligned_buffer.hpp"

#include "convmixer/core/error.hpp"

#include <atomic>
#include <cstdint>
#include <limits>
#include <sys/mman.h>

#if __has_include(<sanitizer/asan_interface.h>)
#include <sanitizer/asan_interface.h>  // its macros do nothing without the sanitizer
#else
#define ASAN_POISON_MEMORY_REGION(address, size) (static_cast<void>(address), static_cast<void>(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) (static_cast<void>(address), static_cast<void>(size))
#endif

namespace convmixer {

namespace {

constexpr std::size_t kPageBytes = AlignedBuffer::kAlignment;
// A 4 KiB page costs a TLB entry for every 4 KiB of activations; above this size huge pages pay.
constexpr std::size_t kHugePageBytes = std::size_t{2} << 20;

/// Bytes from `address` to the next multiple of `alignment`.
std::size_t bytes_to_boundary(const std::byte* address, std::size_t alignment) {
  return (alignment - reinterpret_cast<std::uintptr_t>(address) % alignment) % alignment;
}

}  // namespace

AlignedBuffer::AlignedBuffer(std::size_t bytes) : size_(bytes) {
  if (bytes == 0) return;
  const auto fail_for_memory = [bytes] {
    constexpr double kMebi = 1048576.0;
    constexpr double kGibi = 1024.0 * kMebi;
    const auto size = static_cast<double>(bytes);
    if (size < kGibi) fail("out of memory: {:.1f} MiB can't be allocated", size / kMebi);
    fail("out of memory: {:.1f} GiB can't be allocated", size / kGibi);
  };
  const std::size_t alignment = bytes >= kHugePageBytes ? kHugePageBytes : kPageBytes;
  if (bytes > std::numeric_limits<std::size_t>::max() / 2) fail_for_memory();
  const std::size_t pages = (bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
  const std::size_t reserved = pages + kPageBytes + (alignment - kPageBytes);  // a page after it, and to align it
  // The kernel's pages, not the allocator's: those may have been touched by another thread before, and lie far from
  // whoever will use them.
  void* const mapped = ::mmap(nullptr, reserved, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) fail_for_memory();
  auto* const begin = static_cast<std::byte*>(mapped);
  const std::size_t before = bytes_to_boundary(begin, alignment);
  std::byte* const data = begin + before;
  if (before > 0) ::munmap(begin, before);
  const std::size_t kept = pages + kPageBytes;
  if (reserved > before + kept) ::munmap(data + kept, reserved - before - kept);
  ::mprotect(data + pages, kPageBytes, PROT_NONE);
  // Advice only: without huge pages everything works, a little slower.
  if (alignment == kHugePageBytes) ::madvise(data, pages, MADV_HUGEPAGE);
  ASAN_POISON_MEMORY_REGION(data + bytes, pages - bytes);
  data_ = {data, Unmap{kept}};
}

void AlignedBuffer::Unmap::operator()(std::byte* data) const noexcept {
  ASAN_UNPOISON_MEMORY_REGION(data, bytes - kPageBytes);
  ::munmap(data, bytes);
}

void touch_pages(std::span<std::byte> memory) noexcept {
  if (memory.empty()) return;
  // Other threads may do the same to what this part of the memory shares its place with.
  const auto touch = [](std::byte& at) { std::atomic_ref(at).store(std::byte{0}, std::memory_order_relaxed); };
  for (std::size_t at = 0; at < memory.size(); at += kPageBytes) touch(memory[at]);
  touch(memory.back());
}

}  // namespace convmixer
