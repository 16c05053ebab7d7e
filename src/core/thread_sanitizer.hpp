/// Order between threads that ThreadSanitizer can't see, because a library that isn't instrumented makes it.
#pragma once

#if defined(CONVMIXER_THREAD_SANITIZER)  // by tools/cmake/BuildFlags.cmake
#include <sanitizer/tsan_interface.h>
#endif

namespace convmixer {

/// What was done before thread_sanitizer_release(token) in one thread happens before what follows
/// thread_sanitizer_acquire(token) in another. Nothing in other builds.
inline void thread_sanitizer_release([[maybe_unused]] void* token) noexcept {
#if defined(CONVMIXER_THREAD_SANITIZER)
  __tsan_release(token);
#endif
}
inline void thread_sanitizer_acquire([[maybe_unused]] void* token) noexcept {
#if defined(CONVMIXER_THREAD_SANITIZER)
  __tsan_acquire(token);
#endif
}

}  // namespace convmixer
