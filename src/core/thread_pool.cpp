#include "convmixer/core/thread_pool.hpp"

#include "convmixer/core/cpu.hpp"
#include "convmixer/core/threads.hpp"
#include "core/thread_pins.hpp"
#include "core/thread_sanitizer.hpp"
#include "core/worker_team.hpp"

#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>
#include <tbb/task_scheduler_observer.h>

#include <algorithm>
#include <optional>
#include <utility>

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

}  // namespace

struct ThreadPool::Impl {
  // The limit counts the caller. If it leaves no worker at all, other arenas' requests make TBB print a warning.
  Impl(int count, ThreadPinning pinning)
      : threads(count),
        limit(tbb::global_control::max_allowed_parallelism, static_cast<std::size_t>(std::max(2, count))),
        arena(count) {
    if (pinning == ThreadPinning::one_cpu_each) pins.emplace(count);
    team.emplace(count, pins ? &*pins : nullptr);
    // An arena imposes on every task the floating-point settings that its maker had at this moment; what a worker
    // sets for itself (in a task_scheduler_observer, say) is undone.
    flush_denormals_to_zero();
    arena.initialize();
    arena_observer.emplace(arena, ArenaEntry{this});
  }

  struct ArenaEntry {
    Impl* pool;
    void operator()(bool is_worker) const {
      if (is_worker) name_worker();
      if (pool->pins) pool->pins->bind(tbb::this_task_arena::current_thread_index());
    }
  };

  int threads;
  tbb::global_control limit;
  tbb::task_arena arena;
  std::optional<ThreadPins> pins;
  std::optional<WorkerTeam> team;
  std::optional<EntryObserver<ArenaEntry>> arena_observer;
};

ThreadPool::ThreadPool(int threads, ThreadPinning pinning)
    : impl_([&] {
        threads = std::max(1, threads);
        expect_thread_count("threads", threads);
        return std::make_unique<Impl>(threads, pinning);
      }()) {}

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
  impl_->team->run(
      {.count = count, .more = more, .backwards = order == TaskOrder::backwards, .body = body, .context = context});
}

void ThreadPool::for_each_worker(const std::function<void(int)>& body) { impl_->team->run_on_each(body); }

void ThreadPool::release_caller() noexcept {
  if (impl_->pins) impl_->pins->release();
}

void ThreadPool::enqueue(std::function<void()> task) { impl_->team->enqueue(std::move(task)); }

void ThreadPool::execute(const std::function<void()>& body) {
  OrderedCall call;
  impl_->arena.execute([&] {  // by another thread when all slots are taken
    const OrderedCall::Task task(call);
    body();
  });
}

}  // namespace convmixer
