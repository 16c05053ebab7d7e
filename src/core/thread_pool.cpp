#include "convmixer/core/thread_pool.hpp"

#include "convmixer/core/cpu.hpp"
#include "convmixer/core/trace.hpp"
#include "core/thread_sanitizer.hpp"

#include <fmt/format.h>
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>
#include <tbb/task_scheduler_observer.h>

#include <algorithm>
#include <atomic>
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

  /// A task of it, until the scope's end, left by an exception or not.
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

/// Names every worker that enters an arena, once: TBB's workers live on, and go from arena to arena.
class WorkerNames : public tbb::task_scheduler_observer {
 public:
  explicit WorkerNames(tbb::task_arena& arena) : task_scheduler_observer(arena) {}
  ~WorkerNames() override { observe(false); }
  WorkerNames(const WorkerNames&) = delete;
  WorkerNames& operator=(const WorkerNames&) = delete;

  void on_scheduler_entry(bool is_worker) override {
    static std::atomic<int> workers = 0;
    thread_local bool named = false;
    if (!is_worker || std::exchange(named, true)) return;
    const int number = ++workers;
    name_traced_thread(fmt::format("worker {}", number), number);
  }
};

}  // namespace

namespace {

/// The tasks that one worker begins with; others may take them too.
struct alignas(64) Share {
  std::atomic<std::int64_t> next{0};
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

}  // namespace

struct ThreadPool::Impl {
  // The limit counts the caller; at least one worker beside it runs the enqueued tasks. An arena that asks for more
  // workers than the limit leaves makes TBB print a warning.
  explicit Impl(int count)
      : threads(count),
        shares(static_cast<std::size_t>(count)),
        limit(tbb::global_control::max_allowed_parallelism, static_cast<std::size_t>(std::max(2, count))),
        arena(count),
        background(std::max(1, count - 1), 0, tbb::task_arena::priority::low) {
    // An arena imposes on every task the floating-point settings that its maker had at this moment; what a worker
    // sets for itself (in a task_scheduler_observer, say) is undone.
    flush_denormals_to_zero();
    arena.initialize();
    background.initialize();
    arena_names.observe(true);  // would initialise an arena
    background_names.observe(true);
  }

  int threads;
  std::vector<Share> shares;
  char enqueued = 0;  // names the order of enqueueing and running to ThreadSanitizer
  tbb::global_control limit;
  tbb::task_arena arena;
  tbb::task_arena background;  // no slot for the caller: enqueued tasks run on workers alone
  WorkerNames arena_names{arena};
  WorkerNames background_names{background};
};

ThreadPool::ThreadPool(int threads) : impl_(std::make_unique<Impl>(std::max(1, threads))) {}

ThreadPool::~ThreadPool() = default;

int ThreadPool::threads() const noexcept { return impl_->threads; }

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

void ThreadPool::run_tasks(std::int64_t count, TaskOrder order, TaskBody body, const void* context) {
  if (count <= 0) return;
  const auto threads = static_cast<std::int64_t>(impl_->threads);
  for (std::int64_t worker = 0; worker < threads; ++worker) {
    Share& share = impl_->shares[static_cast<std::size_t>(worker)];
    share.begin = count * worker / threads;
    share.end = count * (worker + 1) / threads;
    share.next.store(share.begin, std::memory_order_relaxed);
  }
  const auto work = [this, threads, order, body, context](std::int64_t worker) {
    for (std::int64_t other = 0; other < threads; ++other) {
      Share& share = impl_->shares[static_cast<std::size_t>((worker + other) % threads)];
      for (std::int64_t task = share.next.fetch_add(1, std::memory_order_relaxed); task < share.end;
           task = share.next.fetch_add(1, std::memory_order_relaxed)) {
        body(context, order == TaskOrder::forwards ? task : share.begin + share.end - 1 - task,
             static_cast<int>(worker));
      }
    }
  };
  if (threads == 1) {
    work(0);
    return;
  }
  OrderedCall call;
  const auto loops = [&] {
    tbb::parallel_for(
        std::int64_t{0}, threads,
        [&](std::int64_t worker) {
          const OrderedCall::Task task(call);
          work(worker);
        },
        tbb::static_partitioner());
  };
  impl_->arena.execute(loops);
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
