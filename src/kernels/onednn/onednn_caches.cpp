#include "kernels/onednn/onednn_caches.hpp"

#include "convmixer/core/error.hpp"
#include "kernels/onednn/onednn.hpp"

#include <array>
#include <cstddef>
#include <dlfcn.h>

namespace convmixer::kernels {

namespace {

/// The function below, as the linker knows it.
constexpr const char* kAsked = "_ZN4dnnl4impl3cpu8platform23get_per_core_cache_sizeEi";
constexpr unsigned kSmallest = 4096;  // no first-level cache of data is smaller

using CacheSize = unsigned (*)(int level);

/// oneDNN's own; null where it has none that others may call: those versions (2.x) see no caches of one byte.
CacheSize onednns_own() {
  static const auto kOwn = reinterpret_cast<CacheSize>(::dlsym(RTLD_NEXT, kAsked));
  return kOwn;
}

bool finds_none() { return onednns_own() != nullptr && onednns_own()(1) < kSmallest; }

}  // namespace

unsigned cache_bytes_per_core(int level, unsigned found_first_level, unsigned found) noexcept {
  constexpr std::array<unsigned, 3> kAssumed{32U << 10U, 512U << 10U, 1024U << 10U};  // as oneDNN's platform.cpp
  if (found_first_level >= kSmallest || level < 1 || level > 3) return found;
  return kAssumed.at(static_cast<std::size_t>(level) - 1);
}

}  // namespace convmixer::kernels

namespace dnnl::impl::cpu::platform {

/// Weak, for programs that link oneDNN statically: they have its own.
[[gnu::weak, gnu::visibility("default")]] unsigned get_per_core_cache_size(int level) {
  const auto own = convmixer::kernels::onednns_own();
  const unsigned first = own != nullptr ? own(1) : 0;
  return convmixer::kernels::cache_bytes_per_core(level, first, own != nullptr ? own(level) : 0);
}

}  // namespace dnnl::impl::cpu::platform

namespace convmixer::kernels {

bool onednn_assumes_caches() { return finds_none(); }

void expect_cache_sizes() {
  if (!finds_none()) return;
  const CacheSize asked = reinterpret_cast<CacheSize>(::dlsym(RTLD_DEFAULT, kAsked));
  if (asked == dnnl::impl::cpu::platform::get_per_core_cache_size && asked(1) >= kSmallest) return;
  fail(
      "oneDNN {} finds no caches here (this machine's CPUID reports none), with which it computes wrong sums and "
      "convolutions; use --plan fused, which doesn't need it, or oneDNN 2",
      onednn_version());
}

}  // namespace convmixer::kernels
