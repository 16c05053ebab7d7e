// Which CPUs a pool's threads may run on.
#include "convmixer/core/error.hpp"
#include "convmixer/core/thread_pool.hpp"
#include "convmixer/core/threads.hpp"
#include "support/error_of.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <future>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <set>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <thread>
#include <vector>

namespace convmixer {
namespace {

using testing::HasSubstr;
using testing_support::error_of;

/// CPUs that the calling thread may run on.
std::set<int> allowed() {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  EXPECT_EQ(sched_getaffinity(0, sizeof mask, &mask), 0);
  std::set<int> cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(static_cast<std::size_t>(cpu), &mask)) cpus.insert(cpu);
  }
  return cpus;
}

/// On a thread of its own: the mask of the test's thread stays as it is.
template <typename Body>
void on_another_thread(const Body& body) {
  std::thread(body).join();
}

/// By worker. On a busy machine some may come too late for their turn: then all take another.
std::vector<std::set<int>> allowed_to_workers(ThreadPool& pool) {
  std::vector<std::set<int>> cpus(static_cast<std::size_t>(pool.threads()));
  for (int attempt = 0; attempt < 100; ++attempt) {
    std::vector<std::thread::id> ids(cpus.size());
    pool.for_each_worker([&](int worker) {
      ids[static_cast<std::size_t>(worker)] = std::this_thread::get_id();
      cpus[static_cast<std::size_t>(worker)] = allowed();
    });
    if (std::set(ids.begin(), ids.end()).size() == ids.size()) return cpus;
  }
  ADD_FAILURE() << "the workers never came all at once";
  return cpus;
}

class PinnedThreads : public testing::Test {
 protected:
  void SetUp() override {
    if (threads_ < 2) GTEST_SKIP() << "one CPU: nothing to tell apart";
  }

  const std::set<int> before_ = allowed();
  const int threads_ = static_cast<int>(before_.size());
};

TEST_F(PinnedThreads, IsOffByDefault) {
  ThreadPool pool(threads_ + 1);
  EXPECT_TRUE(pool.cpus().empty());
  EXPECT_THAT(allowed_to_workers(pool), testing::Each(before_));
  EXPECT_EQ(allowed(), before_);
}

TEST_F(PinnedThreads, ByDefaultKeepAsManyWorkersAsCpusApart) {
  ThreadPool pool(threads_);
  EXPECT_TRUE(pool.cpus().empty());
  const std::vector<std::set<int>> found = allowed_to_workers(pool);
  EXPECT_EQ(found.front(), before_) << "the caller";
  std::set<int> cpus;
  for (std::size_t worker = 1; worker < found.size(); ++worker) {
    EXPECT_EQ(found[worker].size(), 1U);
    cpus.merge(std::set(found[worker]));
  }
  EXPECT_EQ(cpus.size(), found.size() - 1);
}

TEST_F(PinnedThreads, ByDefaultKeepWorkersOffTheCallersCpu) {
  on_another_thread([&] {
    ThreadPool pool(threads_);
    (void)allowed_to_workers(pool);
    for (const int cpu : before_) {
      cpu_set_t mask;
      CPU_ZERO(&mask);
      CPU_SET(static_cast<std::size_t>(cpu), &mask);
      ASSERT_EQ(sched_setaffinity(0, sizeof mask, &mask), 0);
      // On a busy machine the caller may have lent its CPU to a worker, until neither waits for one.
      bool apart = false;
      const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
      while (!apart && std::chrono::steady_clock::now() < end) {
        const std::vector<std::set<int>> found = allowed_to_workers(pool);
        apart = std::find(found.begin() + 1, found.end(), std::set<int>{cpu}) == found.end();
      }
      EXPECT_TRUE(apart) << "CPU " << cpu;
    }
  });
}

TEST_F(PinnedThreads, GivesEachWorkerACpuOfItsOwn) {
  on_another_thread([&] {
    ThreadPool pool(threads_, ThreadPinning::one_cpu_each);
    const std::vector<int> cpus(pool.cpus().begin(), pool.cpus().end());
    EXPECT_EQ(std::set<int>(cpus.begin(), cpus.end()), before_);
    const std::vector<std::set<int>> found = allowed_to_workers(pool);
    for (int worker = 0; worker < threads_; ++worker) {
      const auto at = static_cast<std::size_t>(worker);
      EXPECT_EQ(found[at], std::set<int>{cpus[at]}) << "worker " << worker;
    }
  });
}

TEST_F(PinnedThreads, KeepsEveryTaskOfAWorkerOnItsCpu) {
  on_another_thread([&] {
    ThreadPool pool(threads_, ThreadPinning::one_cpu_each);
    std::vector<std::set<int>> found(static_cast<std::size_t>(threads_));
    for (int loop = 0; loop < 200; ++loop) {
      pool.enqueue([] {});  // takes workers away, and lets them come back
      pool.for_each_task(threads_ * 4,
                         [&](std::int64_t, int worker) { found[static_cast<std::size_t>(worker)].merge(allowed()); });
    }
    for (int worker = 0; worker < threads_; ++worker) {
      const auto at = static_cast<std::size_t>(worker);
      const std::set<int> expected{pool.cpus()[at]};
      EXPECT_TRUE(found[at].empty() || found[at] == expected) << "worker " << worker;
    }
  });
}

TEST_F(PinnedThreads, OfOneThreadIsTheCallers) {
  on_another_thread([&] {
    ThreadPool pool(1, ThreadPinning::one_cpu_each);
    std::set<int> found;
    pool.for_each_task(1, [&](std::int64_t, int) { found = allowed(); });
    EXPECT_EQ(found, std::set<int>{cpus_by_core().front()});
  });
}

TEST_F(PinnedThreads, HoldsTheCallerUntilItIsReleased) {
  on_another_thread([&] {
    ThreadPool pool(2, ThreadPinning::one_cpu_each);
    EXPECT_EQ(allowed(), before_) << "making a pool binds nobody";
    pool.for_each_task(8, [](std::int64_t, int) {});
    EXPECT_EQ(allowed().size(), 1U);
    pool.release_caller();
    EXPECT_EQ(allowed(), before_);
    pool.for_each_task(8, [](std::int64_t, int) {});
    EXPECT_EQ(allowed().size(), 1U);
  });
}

TEST_F(PinnedThreads, KeepsEnqueuedTasksOffTheFirstWorkersCpu) {
  on_another_thread([&] {
    std::promise<std::set<int>> found;
    ThreadPool pool(2, ThreadPinning::one_cpu_each);
    pool.enqueue([&] { found.set_value(allowed()); });
    std::set<int> expected = before_;
    expected.erase(pool.cpus().front());
    EXPECT_EQ(found.get_future().get(), expected);
  });
}

TEST_F(PinnedThreads, EndsWithThePool) {
  on_another_thread([&] {
    for (int round = 0; round < 3; ++round) {
      {
        ThreadPool pool(threads_, ThreadPinning::one_cpu_each);
        for (const std::set<int>& cpus : allowed_to_workers(pool)) EXPECT_EQ(cpus.size(), 1U);
      }
      EXPECT_EQ(allowed(), before_);
      ThreadPool next(threads_ + 1);
      EXPECT_THAT(allowed_to_workers(next), testing::Each(before_));
    }
  });
}

TEST_F(PinnedThreads, KeepsToTheCallersMask) {
  on_another_thread([&] {
    cpu_set_t last;
    CPU_ZERO(&last);
    CPU_SET(static_cast<std::size_t>(*before_.rbegin()), &last);
    ASSERT_EQ(sched_setaffinity(0, sizeof last, &last), 0);
    {
      ThreadPool pool(1, ThreadPinning::one_cpu_each);
      EXPECT_THAT(pool.cpus(), testing::ElementsAre(*before_.rbegin()));
    }
    EXPECT_EQ(allowed(), std::set<int>{*before_.rbegin()});
    const Error error = error_of([] { ThreadPool pool(2, ThreadPinning::one_cpu_each); });
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_STREQ(error.what(), "pin-threads: 2 threads, but 1 CPU in the affinity mask; expected one for each thread");
  });
}

TEST_F(PinnedThreads, SaysThatTheSystemRefused) {
  on_another_thread([&] {
    // sched_setaffinity, of this thread alone, fails from now on.
    sock_filter program[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
                             BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sched_setaffinity, 0, 1),
                             BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
                             BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    const sock_fprog filter{static_cast<unsigned short>(std::size(program)), program};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) {
      GTEST_SKIP() << "no seccomp here";
    }
    const Error error = error_of([] { ThreadPool pool(2, ThreadPinning::one_cpu_each); });
    EXPECT_EQ(error.kind(), ErrorKind::failure);
    EXPECT_STREQ(
        error.what(),
        fmt::format("pin-threads: the system refused to bind a thread to CPU {} of the affinity mask: Operation "
                    "not permitted; run without pin-threads",
                    cpus_by_core().front())
            .c_str());
  });
}

}  // namespace
}  // namespace convmixer
