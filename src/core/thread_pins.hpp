/// Threads bound to one CPU each.
#pragma once

#include <cstdint>
#include <mutex>
#include <sched.h>
#include <vector>

namespace convmixer {

/// A CPU for each worker of a pool, and the threads that are bound to them. Which thread is which worker may change.
class ThreadPins {
 public:
  /// Takes the first CPUs of cpus_by_core(). Throws Error if there are fewer than workers (usage), or if the system
  /// refuses to bind a thread.
  explicit ThreadPins(int workers);
  /// Lets all threads go where the maker could go when it made this.
  ~ThreadPins();
  ThreadPins(const ThreadPins&) = delete;
  ThreadPins& operator=(const ThreadPins&) = delete;

  /// By worker.
  [[nodiscard]] const std::vector<int>& cpus() const noexcept { return cpus_; }

  /// Binds the calling thread to the worker's CPU. Costs nothing where it is bound to it already.
  void bind(int worker) noexcept;
  /// Lets the calling thread go to any CPU but the first worker's (where there is another): for what is done beside the
  /// workers' loops, wherever there is time.
  void bind_beside() noexcept;
  /// Lets the calling thread go where it could before.
  void release() noexcept;

 private:
  void set(int place, const cpu_set_t& mask) noexcept;

  const std::int64_t id_;
  cpu_set_t before_;
  cpu_set_t beside_;
  std::vector<int> cpus_;
  std::mutex mutex_;
  std::vector<int> threads_;  // the system's numbers of all that were ever bound
};

}  // namespace convmixer
