#include "convmixer/core/thread_pool.hpp"

#include "convmixer/core/cpu.hpp"
#include "convmixer/core/trace.hpp"
#include "core/thread_pins.hpp"
#include "core/thread_sanitizer.hpp"

#include <fmt/format.h>
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>
#include <tbb/task_scheduler_observer.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace convmixer {

namespace {

/// One loop or call through TBB, whose order of tasks ThreadSanitizer can't see: the caller's scope.
class OrderedCall {
 public:
  OrderedCall() { thread_sanitizer_release(&start_); }
  ~OrderedCall() { thread_sanitizer_acquire(&join_); }
  OrderedCall(const OrderedCall&) = delete;
  OrderedCall& operator=(const OrderedCall&) = delete;

  /// One of its tasks, until the end of the scope, also when an exception leaves it.
  class Task {
   public:
    explicit Task(OrderedCall& call) : call_(call) { thread_sanitizer_acquire(&call_.start_); }
    ~Task() { thread_sanitizer_release(&call_.join_); }
    Task(const Task&) = delete;
    Task& operator=(const Task&) = delete;

   private:
    OrderedCall& call_;
  };

 private:
  char start_ = 0;
  char join_ = 0;
};

/// Names every worker that enters, once: TBB's workers live on, and go from arena to arena.
void name_worker() {
  static std::atomic<int> workers = 0;
  thread_local bool named = false;
  if (std::exchange(named, true)) return;
  const int number = ++workers;
  name_traced_thread(fmt::format("worker {}", number), number);
}

/// Calls enter(is_worker) on each thread that enters an arena.
template <typename Enter>
class EntryObserver : public tbb::task_scheduler_observer {
 public:
  EntryObserver(tbb::task_arena& arena, Enter enter) : task_scheduler_observer(arena), enter_(enter) {
    observe(true);  // would initialise an arena
  }
  ~EntryObserver() override { observe(false); }
  EntryObserver(const EntryObserver&) = delete;
  EntryObserver& operator=(const EntryObserver&) = delete;

  void on_scheduler_entry(bool is_worker) override { enter_(is_worker); }

 private:
  Enter enter_;
};

/// Marks the thread as one that works for a call; TBB may hand it a second part of the same call while a task of the
/// first waits for something.
class WorkingFor {
 public:
  explicit WorkingFor(const void* call) : before_(std::exchange(current, call)), again_(before_ == call) {}
  ~WorkingFor() { current = before_; }
  WorkingFor(const WorkingFor&) = delete;
  WorkingFor& operator=(const WorkingFor&) = delete;

  [[nodiscard]] bool again() const noexcept { return again_; }

 private:
  static thread_local const void* current;
  const void* before_;
  bool again_;
};
thread_local const void* WorkingFor::current = nullptr;

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

}  // namespace

struct ThreadPool::Impl {
  // The limit counts the caller; at least one worker beside it runs the enqueued tasks. An arena that asks for more
  // workers than the limit leaves makes TBB print a warning.
  Impl(int count, ThreadPinning pinning)
      : threads(count),
        shares(static_cast<std::size_t>(count) + 1),
        limit(tbb::global_control::max_allowed_parallelism, static_cast<std::size_t>(std::max(2, count))),
        arena(count),
        background(std::max(1, count - 1), 0, tbb::task_arena::priority::low) {
    if (pinning == ThreadPinning::one_cpu_each) pins.emplace(count);
    // An arena imposes on every task the floating-point settings that its maker had at this moment; what a worker
    // sets for itself (in a task_scheduler_observer, say) is undone.
    flush_denormals_to_zero();
    arena.initialize();
    background.initialize();
    arena_observer.emplace(arena, ArenaEntry{this});
    background_observer.emplace(background, BackgroundEntry{this});
  }

  struct ArenaEntry {
    Impl* pool;
    void operator()(bool is_worker) const {
      if (is_worker) name_worker();
      if (pool->pins) pool->pins->bind(tbb::this_task_arena::current_thread_index());
    }
  };
  struct BackgroundEntry {
    Impl* pool;
    void operator()(bool is_worker) const {
      if (is_worker) name_worker();
      if (pool->pins) pool->pins->bind_beside();
    }
  };

  /// Calls work(worker) on as many of the workers as come, on each once at most at a time.
  template <typename Work>
  void on_workers(const Work& work) {
    if (threads == 1) {
      if (pins) pins->bind(0);
      work(0);
      return;
    }
    OrderedCall call;
    const auto loop = [&] {
      tbb::parallel_for(
          0, threads,
          [&](int /*part*/) {
            const OrderedCall::Task task(call);
            const WorkingFor working(&call);
            // Not the part's number: a part may be another thread's, but what a worker has lies near its thread.
            if (!working.again()) work(tbb::this_task_arena::current_thread_index());
          },
          tbb::static_partitioner());
    };
    arena.execute(loop);
  }

  int threads;
  std::vector<Share> shares;  // of the workers, and nobody's
  char enqueued = 0;          // names the order of enqueueing and running to ThreadSanitizer
  tbb::global_control limit;
  tbb::task_arena arena;
  tbb::task_arena background;  // no slot for the caller: enqueued tasks run on workers alone
  std::optional<ThreadPins> pins;
  std::optional<EntryObserver<ArenaEntry>> arena_observer;
  std::optional<EntryObserver<BackgroundEntry>> background_observer;
};

ThreadPool::ThreadPool(int threads, ThreadPinning pinning)
    : impl_(std::make_unique<Impl>(std::max(1, threads), pinning)) {}

ThreadPool::~ThreadPool() = default;

int ThreadPool::threads() const noexcept { return impl_->threads; }

std::span<const int> ThreadPool::cpus() const noexcept {
  return impl_->pins ? std::span<const int>(impl_->pins->cpus()) : std::span<const int>();
}

void ThreadPool::parallel_for(std::int64_t count, const std::function<void(std::int64_t)>& body) {
  if (count <= 0) return;
  OrderedCall call;
  impl_->arena.execute([&] {
    tbb::parallel_for(std::int64_t{0}, count, [&](std::int64_t i) {
      const OrderedCall::Task task(call);
      body(i);
    });
  });
}

void ThreadPool::run_tasks(std::int64_t count, TaskOrder order, std::int64_t more, TaskBody body, const void* context) {
  if (count + more <= 0) return;
  const auto threads = static_cast<std::int64_t>(impl_->threads);
  for (std::int64_t worker = 0; worker < threads; ++worker) {
    impl_->shares[static_cast<std::size_t>(worker)].set(count * worker / threads, count * (worker + 1) / threads);
  }
  impl_->shares.back().set(count, count + more);
  impl_->on_workers([this, threads, order, body, context](int worker) {
    const auto work_off = [&](Share& share) {
      for (std::int64_t task = share.next.fetch_add(1, std::memory_order_relaxed); task < share.end;
           task = share.next.fetch_add(1, std::memory_order_relaxed)) {
        body(context, order == TaskOrder::forwards ? task : share.begin + share.end - 1 - task, worker);
      }
    };
    work_off(impl_->shares[static_cast<std::size_t>(worker)]);
    work_off(impl_->shares.back());
    for (std::int64_t other = 1; other < threads; ++other) {
      work_off(impl_->shares[static_cast<std::size_t>((worker + other) % threads)]);
    }
  });
}

void ThreadPool::for_each_worker(const std::function<void(int)>& body) {
  using Clock = std::chrono::steady_clock;
  constexpr std::chrono::milliseconds kMoment(300);
  const Clock::time_point deadline = Clock::now() + kMoment;
  const int threads = impl_->threads;
  // Another pool may have limited TBB to fewer.
  const std::size_t limit = tbb::global_control::active_value(tbb::global_control::max_allowed_parallelism);
  const int expected = static_cast<int>(std::min(static_cast<std::size_t>(threads), limit));
  std::vector<char> done(static_cast<std::size_t>(threads));
  std::atomic<int> arrived = 0;
  impl_->on_workers([&](int worker) {
    if (std::exchange(done[static_cast<std::size_t>(worker)], char{1}) != 0) return;
    body(worker);
    ++arrived;
    // A thread that left now would take the turn of one that is on its way.
    while (arrived < expected && Clock::now() < deadline) std::this_thread::yield();
  });
  for (int worker = 0; worker < threads; ++worker) {
    if (done[static_cast<std::size_t>(worker)] == 0) body(worker);
  }
}

void ThreadPool::release_caller() noexcept {
  if (impl_->pins) impl_->pins->release();
}

void ThreadPool::enqueue(std::function<void()> task) {
  thread_sanitizer_release(&impl_->enqueued);
  impl_->background.enqueue([&enqueued = impl_->enqueued, task = std::move(task)] {
    thread_sanitizer_acquire(&enqueued);
    task();  // once it has run, its owner may destroy the pool
  });
}

void ThreadPool::execute(const std::function<void()>& body) {
  OrderedCall call;
  impl_->arena.execute([&] {  // by another thread when all slots are taken
    const OrderedCall::Task task(call);
    body();
  });
}

}  // namespace convmixer
