#include "convmixer/core/thread_pool.hpp"

#include "convmixer/core/cpu.hpp"
#include "convmixer/core/error.hpp"
#include "support/error_of.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <latch>
#include <limits>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace convmixer {
namespace {

using testing::Each;
using testing::StrEq;
using testing_support::error_of;
using namespace std::chrono_literals;

// What enqueued tasks use is declared before the pool, whose destructor waits for them: a task may still be in its last
// line, or, taken off its CPU, in its second, when the test goes on.
constexpr auto kPatience = 60s;  // far beyond any machine's delays: a test that needs it has failed

class ThreadPoolOf : public testing::TestWithParam<int> {};

TEST_P(ThreadPoolOf, RunsEveryIndexOnce) {
  ThreadPool pool(GetParam());
  for (const std::int64_t count : {0, 1, 2, 7, 1000}) {
    std::vector<int> runs(static_cast<std::size_t>(count));
    pool.parallel_for(count, [&](std::int64_t i) { ++runs[static_cast<std::size_t>(i)]; });
    EXPECT_THAT(runs, Each(1)) << count;
  }
  pool.parallel_for(-1, [](std::int64_t) { ADD_FAILURE(); });
}

TEST_P(ThreadPoolOf, ShowsTheCallerWhatWorkersWrote) {
  ThreadPool pool(GetParam());
  std::vector<std::int64_t> values(512);
  for (int round = 0; round < 20; ++round) {
    std::iota(values.begin(), values.end(), round);
    pool.parallel_for(512, [&](std::int64_t i) { values[static_cast<std::size_t>(i)] *= 2; });
    EXPECT_EQ(std::accumulate(values.begin(), values.end(), std::int64_t{0}), 2 * (512 * 511 / 2 + 512 * round));
  }
}

TEST_P(ThreadPoolOf, RunsNoMoreBodiesAtOnceThanItsThreads) {
  ThreadPool pool(GetParam());
  std::atomic<int> running = 0;
  std::atomic<int> most = 0;
  pool.parallel_for(64, [&](std::int64_t) {
    const int now = ++running;
    int before = most.load();
    while (before < now && !most.compare_exchange_weak(before, now)) {
    }
    std::this_thread::sleep_for(1ms);
    --running;
  });
  EXPECT_LE(most.load(), pool.threads());
}

TEST_P(ThreadPoolOf, RethrowsTheBodysErrorAndStaysUsable) {
  ThreadPool pool(GetParam());
  EXPECT_THAT(error_of([&] {
                pool.parallel_for(100, [](std::int64_t i) {
                  if (i == 31) fail("image {} is broken", i);
                });
              }).what(),
              StrEq("image 31 is broken"));
  std::atomic<int> runs = 0;
  pool.parallel_for(10, [&](std::int64_t) { ++runs; });
  EXPECT_EQ(runs.load(), 10);
}

#if defined(__x86_64__)
TEST_P(ThreadPoolOf, FlushesDenormalsOnEveryWorker) {
  ThreadPool pool(GetParam());
  std::atomic<int> kept = 0;
  pool.parallel_for(64, [&](std::int64_t) {
    if (!flushes_denormals_to_zero()) ++kept;
    std::this_thread::sleep_for(1ms);  // gives every worker its turn
  });
  EXPECT_EQ(kept.load(), 0);
}

TEST_P(ThreadPoolOf, FlushesDenormalsForACallerThatDoesNot) {
  std::promise<ThreadPool*> made;
  std::thread caller([&] {  // started before the pool: doesn't inherit its maker's settings
    std::atomic<int> kept = 0;
    made.get_future().get()->parallel_for(64, [&](std::int64_t) {
      if (!flushes_denormals_to_zero()) ++kept;
    });
    EXPECT_EQ(kept.load(), 0);
  });
  ThreadPool pool(GetParam());
  made.set_value(&pool);
  caller.join();
}

TEST_P(ThreadPoolOf, FlushesDenormalsInEnqueuedTasks) {  // alone in its process, as CTest runs it, it proves this
  std::promise<bool> flushed;
  ThreadPool pool(GetParam());
  pool.enqueue([&] { flushed.set_value(flushes_denormals_to_zero()); });
  EXPECT_TRUE(flushed.get_future().get());
}
#endif

TEST_P(ThreadPoolOf, RunsEnqueuedTasksOffTheCallerWhileItWaits) {
  std::promise<std::thread::id> runner;
  std::future<std::thread::id> result = runner.get_future();
  ThreadPool pool(GetParam());
  pool.enqueue([&] { runner.set_value(std::this_thread::get_id()); });
  ASSERT_EQ(result.wait_for(kPatience), std::future_status::ready);
  EXPECT_NE(result.get(), std::this_thread::get_id());
}

TEST_P(ThreadPoolOf, RunsEveryEnqueuedTaskAmongParallelLoops) {
  constexpr int kTasks = 100;
  std::latch done(kTasks);
  std::atomic<int> loops = 0;
  ThreadPool pool(GetParam());
  for (int i = 0; i < kTasks; ++i) {
    pool.enqueue([&] { done.count_down(); });
    pool.parallel_for(8, [&](std::int64_t) { ++loops; });
  }
  done.wait();
  EXPECT_EQ(loops.load(), 8 * kTasks);
}

TEST_P(ThreadPoolOf, LetsAnEnqueuedTaskEnqueueTheNext) {
  std::promise<void> done;
  ThreadPool pool(GetParam());
  pool.enqueue([&] { pool.enqueue([&] { done.set_value(); }); });
  EXPECT_EQ(done.get_future().wait_for(kPatience), std::future_status::ready);
}

TEST_P(ThreadPoolOf, ExecutesInItsArena) {
  ThreadPool pool(GetParam());
  int concurrency = 0;
  pool.execute([&] { concurrency = tbb::this_task_arena::max_concurrency(); });
  EXPECT_EQ(concurrency, pool.threads());
}

TEST_P(ThreadPoolOf, CanBeMadeAgainAndAgain) {
  for (int i = 0; i < 20; ++i) {
    std::promise<void> done;
    ThreadPool pool(GetParam());
    pool.enqueue([&] { done.set_value(); });
    done.get_future().wait();
  }
}

TEST_P(ThreadPoolOf, DrawsNoWarningFromTbb) {
  testing::internal::CaptureStderr();
  {
    std::promise<void> done;
    ThreadPool pool(GetParam());
    pool.parallel_for(100, [](std::int64_t) {});
    pool.enqueue([&] { done.set_value(); });
    done.get_future().wait();
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

#if defined(__x86_64__)
TEST_P(ThreadPoolOf, FlushesDenormalsInTasksAndNotAfterThem) {
  ThreadPool pool(GetParam());
  std::thread([&] {
    _mm_setcsr(_mm_getcsr() & ~0x8040U);
    std::atomic<int> kept = 0;
    pool.for_each_task(64, [&](std::int64_t, int) {
      if (!flushes_denormals_to_zero()) ++kept;
      std::this_thread::sleep_for(100us);
    });
    pool.for_each_worker([&](int) {
      if (!flushes_denormals_to_zero()) ++kept;
    });
    EXPECT_EQ(kept, 0);
    EXPECT_FALSE(flushes_denormals_to_zero()) << "the caller's own setting";
  }).join();
}
#endif

INSTANTIATE_TEST_SUITE_P(Threads, ThreadPoolOf, testing::Values(1, 2, 5), testing::PrintToStringParamName());

TEST(ThreadPool, HasAtLeastOneThread) {
  EXPECT_EQ(ThreadPool(0).threads(), 1);
  EXPECT_EQ(ThreadPool(-4).threads(), 1);
  EXPECT_EQ(ThreadPool(3).threads(), 3);
}

TEST(ThreadPool, IsRefusedMoreThreadsThanTheMachineCanServe) {
  EXPECT_THROW(ThreadPool(66000), Error);
  EXPECT_THROW(ThreadPool(std::numeric_limits<int>::max()), Error);
}

TEST(ThreadPool, RunsEveryTaskOnceWithOneTaskPerWorkerAtATime) {
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    for (const TaskOrder order : {TaskOrder::forwards, TaskOrder::backwards}) {
      for (const std::int64_t count : {0, 1, 3, 64, 1000}) {
        std::vector<std::atomic<int>> runs(static_cast<std::size_t>(count));
        std::vector<std::atomic<int>> busy(static_cast<std::size_t>(threads));
        std::atomic<bool> alone = true;
        pool.for_each_task(
            count,
            [&](std::int64_t task, int worker) {
              std::atomic<int>& mine = busy.at(static_cast<std::size_t>(worker));
              if (++mine != 1) alone = false;
              ++runs.at(static_cast<std::size_t>(task));
              --mine;
            },
            order);
        EXPECT_TRUE(alone);
        for (const std::atomic<int>& run : runs) EXPECT_EQ(run, 1);
      }
    }
  }
}

TEST(ThreadPool, RunsTasksThatAreNobodysAfterAWorkersOwn) {
  ThreadPool pool(1);
  std::vector<std::int64_t> tasks;
  const auto note = [&](std::int64_t task, int /*worker*/) { tasks.push_back(task); };
  pool.for_each_task(3, note, TaskOrder::backwards, 2);
  EXPECT_THAT(tasks, testing::ElementsAre(2, 1, 0, 4, 3));
  tasks.clear();
  pool.for_each_task(0, note, TaskOrder::forwards, 2);
  EXPECT_THAT(tasks, testing::ElementsAre(0, 1));
}

TEST(ThreadPool, RunsTasksThatAreNobodysOnce) {
  ThreadPool pool(5);
  std::vector<std::atomic<int>> runs(40);
  pool.for_each_task(
      7, [&](std::int64_t task, int /*worker*/) { ++runs.at(static_cast<std::size_t>(task)); }, TaskOrder::forwards,
      33);
  for (const std::atomic<int>& run : runs) EXPECT_EQ(run, 1);
}

TEST(ThreadPool, BeginsTasksAtTheEndsOfSharesWhenBackwards) {
  ThreadPool pool(1);
  std::vector<std::int64_t> tasks;
  tasks.reserve(8);
  pool.for_each_task(4, [&](std::int64_t task, int /*worker*/) { tasks.push_back(task); });
  pool.for_each_task(
      4, [&](std::int64_t task, int /*worker*/) { tasks.push_back(task); }, TaskOrder::backwards);
  EXPECT_EQ(tasks, (std::vector<std::int64_t>{0, 1, 2, 3, 3, 2, 1, 0}));
}

TEST(ThreadPool, GivesEveryWorkerATurnOnAThreadOfItsOwn) {
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    bool each_on_its_own = false;
    // On a busy machine some may come too late for their turn.
    for (int attempt = 0; attempt < 100 && !each_on_its_own; ++attempt) {
      std::vector<std::thread::id> ids(static_cast<std::size_t>(threads));
      std::vector<int> turns(static_cast<std::size_t>(threads));
      pool.for_each_worker([&](int worker) {
        ids.at(static_cast<std::size_t>(worker)) = std::this_thread::get_id();
        ++turns.at(static_cast<std::size_t>(worker));
      });
      EXPECT_THAT(turns, Each(1));
      std::ranges::sort(ids);
      each_on_its_own = std::ranges::adjacent_find(ids) == ids.end();
    }
    EXPECT_TRUE(each_on_its_own) << threads << " threads";
  }
}

TEST(ThreadPool, TakesTheTurnsOfWorkersThatDoNotCome) {
  std::promise<void> begun;
  std::promise<void> end;
  ThreadPool pool(2);
  pool.enqueue([&] {
    begun.set_value();
    end.get_future().wait();
  });
  begun.get_future().wait();
  std::vector<int> turns(2);
  pool.for_each_worker([&](int worker) { ++turns.at(static_cast<std::size_t>(worker)); });
  end.set_value();
  EXPECT_THAT(turns, Each(1));
}

TEST(ThreadPool, PassesOnWhatATaskThrows) {
  ThreadPool pool(2);
  EXPECT_THROW(pool.for_each_task(8,
                                  [](std::int64_t task, int) {
                                    if (task == 5) throw std::runtime_error("5");
                                  }),
               std::runtime_error);
}

TEST(ThreadPool, RunsNoFurtherTasksAfterOneHasThrown) {
  ThreadPool pool(1);
  std::vector<std::int64_t> begun;
  EXPECT_THROW(pool.for_each_task(8,
                                  [&](std::int64_t task, int) {
                                    begun.push_back(task);
                                    if (task == 2) throw std::runtime_error("2");
                                  }),
               std::runtime_error);
  EXPECT_THAT(begun, testing::ElementsAre(0, 1, 2));
  std::atomic<int> runs = 0;
  pool.for_each_task(8, [&](std::int64_t, int) { ++runs; });
  EXPECT_EQ(runs, 8);
}

TEST(ThreadPool, DoesTheTasksOfAWorkerThatDoesNotCome) {
  std::promise<void> begun;
  std::promise<void> end;
  ThreadPool pool(2);
  pool.enqueue([&] {
    begun.set_value();
    end.get_future().wait();
  });
  begun.get_future().wait();
  std::vector<int> workers(8, -1);
  pool.for_each_task(8, [&](std::int64_t task, int worker) { workers[static_cast<std::size_t>(task)] = worker; });
  end.set_value();
  EXPECT_THAT(workers, Each(0));
}

/// Until `count` of the pool's threads are in a task at once; false if they never were.
bool meet(ThreadPool& pool, int count) {
  std::atomic<int> arrived = 0;
  pool.for_each_task(count, [&](std::int64_t, int) {
    ++arrived;
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (arrived < count && std::chrono::steady_clock::now() < deadline) std::this_thread::sleep_for(100us);
  });
  return arrived == count;
}

TEST(ThreadPool, WakesWorkersThatHaveGoneToSleep) {
  ThreadPool pool(3);
  for (const auto pause : {0us, 100us, 300us, 20'000us}) {
    std::this_thread::sleep_for(pause);
    EXPECT_TRUE(meet(pool, 3)) << pause.count();
  }
}

double cpu_seconds(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

TEST(ThreadPool, SleepsWhileThereIsNothingToDo) {
  ThreadPool pool(3);
  ASSERT_TRUE(meet(pool, 3));
  const double before = cpu_seconds(CLOCK_PROCESS_CPUTIME_ID);
  std::this_thread::sleep_for(200ms);
  EXPECT_LT(cpu_seconds(CLOCK_PROCESS_CPUTIME_ID) - before, 0.1);
}

TEST(ThreadPool, LetsTheCallerSleepUntilTheLastTaskIsDone) {
  ThreadPool pool(2);
  double caller = 0.0;
  for (int attempt = 0; attempt < 100 && caller == 0.0; ++attempt) {
    const double before = cpu_seconds(CLOCK_THREAD_CPUTIME_ID);
    std::atomic<bool> has_come = false;
    pool.for_each_task(2, [&](std::int64_t, int worker) {
      if (worker == 1) {
        has_come = true;
        std::this_thread::sleep_for(200ms);
      } else {
        std::this_thread::sleep_for(10ms);  // the worker's turn
      }
    });
    if (has_come) caller = cpu_seconds(CLOCK_THREAD_CPUTIME_ID) - before;
  }
  EXPECT_GT(caller, 0.0) << "the worker never came";
  EXPECT_LT(caller, 0.1);
}

TEST(ThreadPool, RunsALoopWithinATaskOnTheTasksThread) {
  std::vector<std::atomic<int>> runs(64);
  std::promise<void> done;
  ThreadPool pool(3);
  pool.for_each_task(8, [&](std::int64_t outer, int) {
    const std::thread::id own = std::this_thread::get_id();
    pool.for_each_task(8, [&](std::int64_t inner, int) {
      EXPECT_EQ(std::this_thread::get_id(), own);
      ++runs.at(static_cast<std::size_t>(outer * 8 + inner));
    });
  });
  pool.enqueue([&] {
    pool.for_each_task(64, [&](std::int64_t task, int) { ++runs.at(static_cast<std::size_t>(task)); });
    done.set_value();
  });
  ASSERT_EQ(done.get_future().wait_for(kPatience), std::future_status::ready);
  for (const std::atomic<int>& run : runs) EXPECT_EQ(run, 2);
}

TEST(ThreadPool, MayBeUsedByThreadsAtOnce) {
  ThreadPool pool(3);
  std::vector<std::thread> callers;
  std::atomic<int> runs = 0;
  for (int caller = 0; caller < 3; ++caller) {
    callers.emplace_back([&] {
      for (int loop = 0; loop < 200; ++loop) {
        std::vector<int> mine(16);
        pool.for_each_task(16, [&](std::int64_t task, int) { ++mine.at(static_cast<std::size_t>(task)); });
        EXPECT_THAT(mine, Each(1));
        ++runs;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(runs, 600);
}

TEST(ThreadPool, WorksBesideOtherPools) {
  std::vector<std::unique_ptr<ThreadPool>> pools;
  for (const int threads : {1, 2, 3, 4}) pools.push_back(std::make_unique<ThreadPool>(threads));
  std::atomic<int> runs = 0;
  for (int loop = 0; loop < 100; ++loop) {
    for (const auto& pool : pools) pool->for_each_task(10, [&](std::int64_t, int) { ++runs; });
  }
  pools.front()->for_each_task(
      2, [&](std::int64_t, int) { pools.back()->for_each_task(10, [&](std::int64_t, int) { ++runs; }); });
  EXPECT_EQ(runs, 100 * 40 + 20);
}

TEST(ThreadPool, WorksWithMoreThreadsThanCpus) {
  ThreadPool pool(16);
  std::atomic<int> runs = 0;
  for (int loop = 0; loop < 500; ++loop) pool.for_each_task(32, [&](std::int64_t, int) { ++runs; });
  EXPECT_EQ(runs, 16'000);
  EXPECT_TRUE(meet(pool, 16));
}

TEST(ThreadPool, GoesOnAloneInAForkedProcess) {
  ThreadPool pool(3);
  ASSERT_TRUE(meet(pool, 3));
  auto child_pool = std::make_unique<ThreadPool>(3);
  ASSERT_TRUE(meet(*child_pool, 3));
  const pid_t child = fork();
  if (child == 0) {
    int runs = 0;
    child_pool->for_each_task(32, [&](std::int64_t, int) { ++runs; });
    child_pool.reset();
    _exit(runs == 32 ? 0 : 1);
  }
  ASSERT_GT(child, 0);
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(meet(pool, 3)) << "the parent's is what it was";
}

TEST(ThreadPool, GoesOnWithFewerThreadsIfTheSystemRefusesMore) {
  std::thread([] {
    // No thread can be started from this one from now on.
    sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 1, 0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAGAIN), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    const sock_fprog filter{static_cast<unsigned short>(std::size(program)), program};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) {
      GTEST_SKIP() << "no seccomp here";
    }
    for (const int threads : {1, 3}) {
      int runs = 0;
      ThreadPool pool(threads);
      pool.for_each_task(8, [&](std::int64_t, int) { ++runs; });
      pool.for_each_worker([&](int) { ++runs; });
      pool.enqueue([&] { ++runs; });
      EXPECT_EQ(runs, 8 + threads + 1);
    }
  }).join();
}

}  // namespace
}  // namespace convmixer
