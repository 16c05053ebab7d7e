/// What a thread does while it waits without giving up its CPU.
#pragma once

namespace convmixer {

/// Lets the core's other hardware thread run, for some 40 to 140 cycles.
inline void pause_cpu() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb" ::: "memory");
#endif
}

}  // namespace convmixer
