#include "support/counted_allocations.hpp"

#include <atomic>
#include <cstddef>

namespace {

std::atomic<std::int64_t> allocations = 0;

}  // namespace

namespace convmixer::testing_support {

std::int64_t counted_allocations() noexcept { return allocations.load(); }

}  // namespace convmixer::testing_support

// What the linker puts in the place of f is __wrap_f; __real_f is the f of the library. The names are mangled ones of
// operator new and new[], with and without alignment.
extern "C" {

#define CONVMIXER_COUNTED(function, parameters, arguments) \
  void* __real_##function parameters;                      \
  void* __wrap_##function parameters {                     \
    ++allocations;                                         \
    return __real_##function arguments;                    \
  }

CONVMIXER_COUNTED(_Znwm, (std::size_t bytes), (bytes))
CONVMIXER_COUNTED(_Znam, (std::size_t bytes), (bytes))
CONVMIXER_COUNTED(_ZnwmSt11align_val_t, (std::size_t bytes, std::size_t alignment), (bytes, alignment))
CONVMIXER_COUNTED(_ZnamSt11align_val_t, (std::size_t bytes, std::size_t alignment), (bytes, alignment))
CONVMIXER_COUNTED(malloc, (std::size_t bytes), (bytes))
CONVMIXER_COUNTED(calloc, (std::size_t count, std::size_t bytes), (count, bytes))
CONVMIXER_COUNTED(realloc, (void* memory, std::size_t bytes), (memory, bytes))
CONVMIXER_COUNTED(aligned_alloc, (std::size_t alignment, std::size_t bytes), (alignment, bytes))

CONVMIXER_COUNTED(mmap, (void* where, std::size_t bytes, int protection, int flags, int file, long offset),
                  (where, bytes, protection, flags, file, offset))

int __real_posix_memalign(void** memory, std::size_t alignment, std::size_t bytes);
int __wrap_posix_memalign(void** memory, std::size_t alignment, std::size_t bytes) {
  ++allocations;
  return __real_posix_memalign(memory, alignment, bytes);
}

}  // extern "C"
