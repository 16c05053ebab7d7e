#include "convmixer/core/thread_pool.hpp"

#include "convmixer/core/cpu.hpp"

#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <utility>

// ThreadSanitizer can't see how TBB hands tasks over: libtbb isn't instrumented, and neither is this file, or else its
// templates would look like races. CMakeLists.txt beside this file sets the macro; the functions below say the order.
#if defined(CONVMIXER_THREAD_SANITIZER)
#include <sanitizer/tsan_interface.h>
#endif

namespace convmixer {

namespace {

/// What was done before release() in one thread happens before what follows acquire() in another.
class Order {
 public:
  void release() noexcept {
#if defined(CONVMIXER_THREAD_SANITIZER)
    __tsan_release(this);
#endif
  }
  void acquire() noexcept {
#if defined(CONVMIXER_THREAD_SANITIZER)
    __tsan_acquire(this);
#endif
  }
};

/// A task within a scope: begins after the start's release, ends before the join's acquire, by exception too.
class OrderedTask {
 public:
  OrderedTask(Order& start, Order& join) : join_(join) { start.acquire(); }
  ~OrderedTask() { join_.release(); }
  OrderedTask(const OrderedTask&) = delete;
  OrderedTask& operator=(const OrderedTask&) = delete;

 private:
  Order& join_;
};

/// The caller of tasks: releases their start now, acquires their join at the end of the scope.
class OrderedCaller {
 public:
  OrderedCaller() { start.release(); }
  ~OrderedCaller() { join.acquire(); }
  OrderedCaller(const OrderedCaller&) = delete;
  OrderedCaller& operator=(const OrderedCaller&) = delete;

  Order start;
  Order join;
};

}  // namespace

struct ThreadPool::Impl {
  // The limit counts the caller; at least one worker beside it runs the enqueued tasks. An arena that asks for more
  // workers than the limit leaves makes TBB print a warning.
  explicit Impl(int count)
      : threads(count),
        limit(tbb::global_control::max_allowed_parallelism, static_cast<std::size_t>(std::max(2, count))),
        arena(count),
        background(std::max(1, count - 1), 0, tbb::task_arena::priority::low) {
    // An arena imposes on every task the floating-point settings that its maker had at this moment; what a worker
    // sets for itself (in a task_scheduler_observer, say) is undone.
    flush_denormals_to_zero();
    arena.initialize();
    background.initialize();
  }

  int threads;
  tbb::global_control limit;
  tbb::task_arena arena;
  Order enqueued;
  tbb::task_arena background;  // no slot for the caller: enqueued tasks run on workers alone
};

ThreadPool::ThreadPool(int threads) : impl_(std::make_unique<Impl>(std::max(1, threads))) {}

ThreadPool::~ThreadPool() = default;

int ThreadPool::threads() const noexcept { return impl_->threads; }

void ThreadPool::parallel_for(std::int64_t count, const std::function<void(std::int64_t)>& body) {
  if (count <= 0) return;
  OrderedCaller caller;
  impl_->arena.execute([&] {
    tbb::parallel_for(std::int64_t{0}, count, [&](std::int64_t i) {
      const OrderedTask ordered(caller.start, caller.join);
      body(i);
    });
  });
}

void ThreadPool::enqueue(std::function<void()> task) {
  impl_->enqueued.release();
  impl_->background.enqueue([&enqueued = impl_->enqueued, task = std::move(task)] {
    enqueued.acquire();
    task();  // once it has run, its owner may destroy the pool
  });
}

void ThreadPool::execute(const std::function<void()>& body) {
  OrderedCaller caller;
  impl_->arena.execute([&] {  // by another thread when all slots are taken
    const OrderedTask ordered(caller.start, caller.join);
    body();
  });
}

}  // namespace convmixer
