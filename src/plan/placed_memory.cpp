#include "plan/placed_memory.hpp"

#include "convmixer/core/aligned_buffer.hpp"

namespace convmixer {

ArrayUser::Part ArrayUser::part_of(std::size_t worker, std::size_t workers, std::size_t bytes) const noexcept {
  switch (kind_) {
    case Kind::anyone:
      break;
    case Kind::tasks: {
      // The share that for_each_task lets a worker begin with.
      const std::size_t first = number_ * worker / workers;
      const std::size_t last = number_ * (worker + 1) / workers;
      return {bytes * first / number_, bytes * last / number_};
    }
    case Kind::worker:
      if (worker == number_) return {0, bytes};
      break;
  }
  return {0, 0};
}

void PlacedMemory::touch(std::byte* block, ThreadPool& pool) const {
  const auto workers = static_cast<std::size_t>(pool.threads());
  pool.for_each_worker([&](int worker) {
    for (const Array& array : placed_) {
      const auto [begin, end] = array.user.part_of(static_cast<std::size_t>(worker), workers, array.bytes);
      touch_pages({block + array.offset + begin, end - begin});
    }
  });
}

}  // namespace convmixer
