#include "convmixer/core/aligned_buffer.hpp"

#include "convmixer/core/error.hpp"

#include <cstdlib>
#include <cstring>
#include <sys/mman.h>

namespace convmixer {

namespace {
// A 4 KiB page costs a TLB entry for every 4 KiB of activations; above this size huge pages pay.
constexpr std::size_t kHugePageBytes = std::size_t{2} << 20;
}  // namespace

AlignedBuffer::AlignedBuffer(std::size_t bytes) : size_(bytes) {
  if (bytes == 0) return;
  const std::size_t alignment = bytes >= kHugePageBytes ? kHugePageBytes : kAlignment;
  const std::size_t rounded = (bytes + alignment - 1) / alignment * alignment;
  if (rounded >= bytes) data_.reset(static_cast<std::byte*>(std::aligned_alloc(alignment, rounded)));
  if (!data_) fail("out of memory: {:.1f} MiB can't be allocated", static_cast<double>(bytes) / 1048576.0);
  // Advice only: without huge pages everything works, a little slower.
  if (alignment == kHugePageBytes) madvise(data_.get(), rounded, MADV_HUGEPAGE);
  std::memset(data_.get(), 0, rounded);
}

void AlignedBuffer::Free::operator()(std::byte* data) const noexcept { std::free(data); }

}  // namespace convmixer
