#include "convmixer/core/thread_pool.hpp"

#include "convmixer/core/cpu.hpp"

#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <utility>

// libtbb itself isn't instrumented, so ThreadSanitizer must be told that starting a task and joining it order memory.
#if defined(__SANITIZE_THREAD__)
#define CONVMIXER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CONVMIXER_TSAN 1
#endif
#endif
#if defined(CONVMIXER_TSAN)
#include <sanitizer/tsan_interface.h>
#endif

namespace convmixer {

namespace {

void happens_before([[maybe_unused]] void* token) {
#if defined(CONVMIXER_TSAN)
  __tsan_release(token);
#endif
}

void happens_after([[maybe_unused]] void* token) {
#if defined(CONVMIXER_TSAN)
  __tsan_acquire(token);
#endif
}

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
  tbb::task_arena background;  // no slot for the caller: enqueued tasks run on workers alone
};

ThreadPool::ThreadPool(int threads) : impl_(std::make_unique<Impl>(std::max(1, threads))) {}

ThreadPool::~ThreadPool() = default;

int ThreadPool::threads() const noexcept { return impl_->threads; }

void ThreadPool::parallel_for(std::int64_t count, const std::function<void(std::int64_t)>& body) {
  if (count <= 0) return;
  happens_before(impl_.get());
  impl_->arena.execute([&] {
    tbb::parallel_for(std::int64_t{0}, count, [&](std::int64_t i) {
      happens_after(impl_.get());
      body(i);
      happens_before(impl_.get());
    });
  });
  happens_after(impl_.get());
}

void ThreadPool::enqueue(std::function<void()> task) {
  Impl* token = impl_.get();  // a name only: once `task` has run, its owner may destroy the pool
  happens_before(token);
  impl_->background.enqueue([token, task = std::move(task)] {
    happens_after(token);
    task();
    happens_before(token);
  });
}

void ThreadPool::execute(const std::function<void()>& body) { impl_->arena.execute(body); }

}  // namespace convmixer
