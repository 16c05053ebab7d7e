/// The threads that all of the project's own tasks run on.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

namespace convmixer {

/// Loops over the same data one after the other find more of it in the cache if they turn round each time.
enum class TaskOrder { forwards, backwards };

enum class ThreadPinning {
  none,         ///< threads go where the system sends them; but as many as there are CPUs keep apart, see ThreadPool
  one_cpu_each  ///< a worker is always the thread on its CPU
};

/// `threads` workers, the caller among them, that all flush denormals to zero, as the thread that makes the pool does
/// from then on. They run loops of tasks and, in between, what is enqueued; who waits spins for 3 milliseconds and
/// then sleeps. For libraries there is a TBB arena of as many threads, and the process-wide limit that keeps TBB to
/// them.
///
/// On a machine where others compute too, a thread may be taken off its CPU in the middle of a task. Its other tasks
/// are done by the rest; with as many threads as CPUs in the affinity mask, each but the caller also has a CPU of its
/// own, and one that has nothing left to do lets one that stands still have its CPU. What is enqueued should start no
/// threads, which would inherit that.
class ThreadPool {
 public:
  /// `threads` below 1 counts as 1 (core/threads.hpp says how many a machine has).
  ///
  /// Pinned, worker i is bound to the i-th of the affinity mask's CPUs, physical cores first (cpus_by_core), while it
  /// works on loops; so is a thread that calls one, until release_caller(), and any thread it starts meanwhile. What is
  /// enqueued runs beside the first worker's CPU. When the pool is gone, all may go where its maker could go. Throws
  /// Error if there are fewer CPUs than threads (usage), or if the system refuses. For any pool: Error (usage) if
  /// `threads` is more than most_threads().
  explicit ThreadPool(int threads, ThreadPinning pinning = ThreadPinning::none);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  [[nodiscard]] int threads() const noexcept;
  /// The CPU of each worker, if pinned; else empty.
  [[nodiscard]] std::span<const int> cpus() const noexcept;

  /// Runs body(i) for i in [0, count) in the TBB arena, the caller among its threads; rethrows the first exception.
  void parallel_for(std::int64_t count, const std::function<void(std::int64_t)>& body);

  /// Runs body(task, worker) for every task in [0, count), each once; rethrows the first exception. Workers are
  /// numbered from 0 to threads() - 1 (a thread keeps its number while it can), and no two tasks with one number run at
  /// the same time. A worker begins with a share of its own, the same at each call with the same count, so that it
  /// finds in its caches what it left there; then it takes of the `more` tasks from `count` on, which are nobody's,
  /// then it helps the others. With TaskOrder::backwards, shares are worked off from their ends. Within a task of this
  /// pool, or while another thread's loop is under way, all tasks run on the caller. Allocates nothing of its own.
  template <typename Body>
  void for_each_task(std::int64_t count, const Body& body, TaskOrder order = TaskOrder::forwards,
                     std::int64_t more = 0) {
    run_tasks(
        count, order, more,
        [](const void* context, std::int64_t task, int worker) { (*static_cast<const Body*>(context))(task, worker); },
        &body);
  }

  /// Runs body(worker) for every worker, each on its own thread if all come within a moment; else a thread takes the
  /// turns of those that don't: for memory that is to lie where its worker is.
  void for_each_worker(const std::function<void(int)>& body);

  /// Lets the calling thread, which a loop has bound to a CPU, go where it could before: for what isn't the pool's.
  void release_caller() noexcept;

  /// Runs `task` some time later on a worker that has no loop to work for, never on the caller unless the system gives
  /// no threads. The task must not throw.
  void enqueue(std::function<void()> task);

  /// Runs `body` inside the TBB arena, so that libraries on TBB use its threads.
  void execute(const std::function<void()>& body);

 private:
  using TaskBody = void (*)(const void* context, std::int64_t task, int worker);
  void run_tasks(std::int64_t count, TaskOrder order, std::int64_t more, TaskBody body, const void* context);

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace convmixer
