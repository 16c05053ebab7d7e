/// The threads that run a pool's tasks.
#pragma once

#include "core/signal_word.hpp"
#include "core/team_places.hpp"
#include "core/thread_pins.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace convmixer {

/// Gives the calling thread the next of the process's workers' names in traces, once.
void name_worker();

/// A number of workers: the caller of a loop is the first, threads of its own are the others. They take part in loops
/// and, in between, run what is enqueued. Who waits spins for a moment and then sleeps. A loop never waits for a thread
/// that has not come yet: the others do its tasks.
class WorkerTeam {
 public:
  struct Loop {
    std::int64_t count = 0;  ///< tasks of the workers' shares
    std::int64_t more = 0;   ///< tasks from `count` on, which are nobody's
    bool backwards = false;  ///< shares are worked off from their ends
    void (*body)(const void* context, std::int64_t task, int worker) = nullptr;
    const void* context = nullptr;
  };

  /// `pins`, if any, must outlive the team.
  WorkerTeam(int workers, ThreadPins* pins);
  /// Runs what is still enqueued.
  ~WorkerTeam();
  WorkerTeam(const WorkerTeam&) = delete;
  WorkerTeam& operator=(const WorkerTeam&) = delete;

  /// See ThreadPool::for_each_task. Runs on the caller alone if it is within a loop or an enqueued task of this team,
  /// or if another thread's loop is under way.
  void run(const Loop& loop);
  /// See ThreadPool::for_each_worker.
  void run_on_each(const std::function<void(int)>& body);
  /// See ThreadPool::enqueue.
  void enqueue(std::function<void()> task);

 private:
  /// The tasks that one worker begins with; others may take them too.
  struct alignas(64) Share {
    std::atomic<std::int64_t> next{0};
    std::int64_t begin = 0;
    std::int64_t end = 0;

    void set(std::int64_t first, std::int64_t behind_last) {
      begin = first;
      end = behind_last;
      next.store(first, std::memory_order_relaxed);
    }
  };

  void start();
  void work(int worker);
  void run_alone(const Loop& loop) const;
  void open(const Loop& loop, bool helps);
  void close();
  void join_loop(int worker);
  void take_part(int worker);
  void work_off(Share& share, int worker);
  bool run_enqueued();
  template <typename Ready>
  void wait(SignalWord& signal, int worker, const Ready& ready);

  const int workers_;
  ThreadPins* const pins_;
  const std::int64_t process_;
  std::chrono::microseconds spin_{0};  // before one that waits goes to sleep; 0 where there are fewer CPUs than threads
  std::optional<TeamPlaces> places_;
  std::once_flag started_;
  std::vector<std::thread> threads_;

  // The loop under way. Only while it is open and somebody is inside do workers read it.
  std::atomic<bool> busy_{false};
  Loop loop_;
  bool helps_ = true;          // workers take tasks of others' shares
  std::vector<Share> shares_;  // the workers', then nobody's
  std::atomic<bool> failed_{false};
  std::exception_ptr error_;
  static constexpr std::uint32_t kOpen = 1U << 31;
  alignas(64) std::atomic<std::uint32_t> inside_{0};  // workers beside the caller, and kOpen
  alignas(64) std::atomic<std::uint32_t> loops_{0};   // opened so far
  SignalWord news_;                                   // a loop, something enqueued, the end
  SignalWord left_;                                   // the last one inside a closed loop is out

  std::atomic<bool> stop_{false};
  std::atomic<std::int64_t> waiting_{0};  // enqueued tasks that nobody has begun
  std::mutex mutex_;                      // of the following
  std::vector<std::function<void()>> ring_;
  std::size_t first_ = 0;
};

}  // namespace convmixer
