/// What threads wait on: a count that goes up.
#pragma once

#include <atomic>
#include <climits>
#include <cstdint>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace convmixer {

/// An event count. Who waits reads now(), looks whether what it waits for has come, and sleeps(now) if not; who brings
/// it says so with notify_one() or notify_all(). Not std::atomic::wait: libstdc++'s yields before it sleeps, and under
/// Linux's EEVDF scheduler a thread that yields gives its CPU away for a whole slice.
class SignalWord {
 public:
  [[nodiscard]] std::uint32_t now() const noexcept { return value_.load(std::memory_order_acquire); }

  void notify_one() noexcept { notify(1); }
  void notify_all() noexcept { notify(INT_MAX); }

  /// Returns at the next notification, at once if there was one since now() returned `seen`, sometimes for no reason.
  void sleep(std::uint32_t seen) noexcept {
    sleepers_.fetch_add(1);
    futex(FUTEX_WAIT_PRIVATE, seen);
    sleepers_.fetch_sub(1);
  }

 private:
  void notify(unsigned sleepers) noexcept {
    value_.fetch_add(1);
    if (sleepers_.load() > 0) futex(FUTEX_WAKE_PRIVATE, sleepers);
  }
  void futex(int operation, std::uint32_t value) noexcept {
    static_assert(sizeof value_ == sizeof(std::uint32_t) && std::atomic<std::uint32_t>::is_always_lock_free);
    syscall(SYS_futex, &value_, operation, value, nullptr, nullptr, 0);
  }

  std::atomic<std::uint32_t> value_{0};
  std::atomic<std::int32_t> sleepers_{0};
};

}  // namespace convmixer
