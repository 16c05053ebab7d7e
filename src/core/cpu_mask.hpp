/// One CPU as the system's affinity masks have it.
#pragma once

#include <cstddef>
#include <sched.h>

namespace convmixer {

[[nodiscard]] inline cpu_set_t mask_of(int cpu) noexcept {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  CPU_SET(static_cast<std::size_t>(cpu), &mask);
  return mask;
}

}  // namespace convmixer
