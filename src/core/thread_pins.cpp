#include "core/thread_pins.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/threads.hpp"
#include "core/cpu_mask.hpp"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <unistd.h>

namespace convmixer {

namespace {

constexpr int kAnywhere = -1;
constexpr int kBeside = -2;

/// Where the calling thread is: by which pins, at a worker's CPU or one of the above.
struct Place {
  std::int64_t pins = 0;
  int place = kAnywhere;
};
thread_local Place bound_place;

std::int64_t next_id() {
  static std::atomic<std::int64_t> last = 0;
  return ++last;
}

[[noreturn]] void fail_refused(int cpu, int error) {
  fail("pin-threads: the system refused to bind a thread to CPU {} of the affinity mask: {}; run without pin-threads",
       cpu, std::strerror(error));
}

}  // namespace

ThreadPins::ThreadPins(int workers) : id_(next_id()) {
  CPU_ZERO(&before_);
  if (sched_getaffinity(0, sizeof before_, &before_) != 0) {
    fail("pin-threads: the affinity mask can't be read: {}", std::strerror(errno));
  }
  cpus_ = cpus_by_core();
  if (cpus_.size() < static_cast<std::size_t>(workers)) {
    fail_usage("pin-threads: {} threads, but {} CPU{} in the affinity mask; expected one for each thread", workers,
               cpus_.size(), cpus_.size() == 1 ? "" : "s");
  }
  cpus_.resize(static_cast<std::size_t>(workers));
  beside_ = before_;
  if (CPU_COUNT(&before_) > 1) CPU_CLR(static_cast<std::size_t>(cpus_.front()), &beside_);
  // Workers come later, where a refusal could only be swallowed.
  for (const int cpu : cpus_) {
    const cpu_set_t mask = mask_of(cpu);
    if (sched_setaffinity(0, sizeof mask, &mask) != 0) {
      const int error = errno;
      sched_setaffinity(0, sizeof before_, &before_);
      fail_refused(cpu, error);
    }
  }
  sched_setaffinity(0, sizeof before_, &before_);
}

ThreadPins::~ThreadPins() {
  // TBB's workers outlive a pool, and any thread may have called it. One that has ended may have left its number to a
  // thread of another process.
  for (const int thread : threads_) {
    if (tgkill(getpid(), thread, 0) == 0) sched_setaffinity(thread, sizeof before_, &before_);
  }
}

void ThreadPins::bind(int worker) noexcept { set(worker, mask_of(cpus_[static_cast<std::size_t>(worker)])); }

void ThreadPins::bind_beside() noexcept { set(kBeside, beside_); }

void ThreadPins::release() noexcept {
  if (bound_place.pins == id_) set(kAnywhere, before_);
}

void ThreadPins::set(int place, const cpu_set_t& mask) noexcept {
  if (bound_place.pins == id_ && bound_place.place == place) return;
  if (bound_place.pins != id_) {
    const std::scoped_lock lock(mutex_);
    threads_.push_back(gettid());
  }
  bound_place = {id_, place};
  sched_setaffinity(0, sizeof mask, &mask);
}

}  // namespace convmixer
