/// Order between threads that ThreadSanitizer can't see, because a library that isn't instrumented makes it.
#pragma once

#if defined(__has_feature)
#define CONVMIXER_HAS_FEATURE(feature) __has_feature(feature)
#else
#define CONVMIXER_HAS_FEATURE(feature) 0
#endif

#if defined(__SANITIZE_THREAD__) || CONVMIXER_HAS_FEATURE(thread_sanitizer)
#include <sanitizer/tsan_interface.h>
#define CONVMIXER_TSAN_CALL(function, token) function(token)
#else
#define CONVMIXER_TSAN_CALL(function, token) static_cast<void>(token)
#endif

namespace convmixer {

/// What was done before thread_sanitizer_release(token) in one thread happens before what follows
/// thread_sanitizer_acquire(token) in another. Nothing in other builds.
inline void thread_sanitizer_release(void* token) { CONVMIXER_TSAN_CALL(__tsan_release, token); }
inline void thread_sanitizer_acquire(void* token) { CONVMIXER_TSAN_CALL(__tsan_acquire, token); }

}  // namespace convmixer
