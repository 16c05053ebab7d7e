/// The TBB arena that all of the project's own tasks run in.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace convmixer {

/// A TBB arena of `threads` workers that all flush denormals to zero, as the thread that makes the pool does from
/// then on, and the process-wide limit that keeps TBB to them. Tasks that prepare data are enqueued at low priority.
class ThreadPool {
 public:
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  [[nodiscard]] int threads() const noexcept;

  /// Runs body(i) for i in [0, count) on the workers, the caller among them; rethrows the first exception.
  void parallel_for(std::int64_t count, const std::function<void(std::int64_t)>& body);

  /// Runs `task` some time later on a worker, never on the caller. The task must not throw.
  void enqueue(std::function<void()> task);

  /// Runs `body` inside the arena, so that libraries on TBB use these workers.
  void execute(const std::function<void()>& body);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace convmixer
