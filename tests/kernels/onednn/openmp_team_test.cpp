#include "kernels/onednn/openmp_team.hpp"

#include "convmixer/core/error.hpp"
#include "kernels/onednn/onednn.hpp"
#include "support/no_more_threads.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <dlfcn.h>
#include <thread>
#include <vector>

namespace convmixer::kernels {
namespace {

using testing_support::forbid_more_threads;

template <typename Function>
Function* openmp_function(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_DEFAULT, name));
}

using Parallel = void(void (*fn)(void*), void* data, unsigned threads, unsigned flags);

/// OpenMP's settings belong to a thread: each test has its own.
template <typename Body>
void on_another_thread(const Body& body) {
  if (openmp_function<Parallel>("GOMP_parallel") == nullptr || onednn_threading() != "OpenMP") {
    GTEST_SKIP() << "this oneDNN doesn't run on OpenMP";
  }
  std::thread(body).join();
}

/// Calls body() on one of the two threads of a parallel region, and expects that it was called.
template <typename Body>
void in_parallel_region(const Body& body) {
  std::atomic<int> runs = 0;
  auto counting = [&] {
    ++runs;
    body();
  };
  using Counting = decltype(counting);
  const auto member = [](void* data) {
    if (place_in_team().number == 0) (*static_cast<Counting*>(data))();
  };
  openmp_function<Parallel>("GOMP_parallel")(member, &counting, 2, 0);
  EXPECT_EQ(runs, 1);
}

TEST(OpenmpTeam, HasTheThreadsThatItAsksFor) {
  on_another_thread([] {
    const OpenmpTeam team(3);
    EXPECT_EQ(team.threads(), 3);
    EXPECT_EQ(team.why_fewer(), "");
    EXPECT_EQ(openmp_threads(), 3);
  });
}

TEST(OpenmpTeam, IsSmallerWhereTheSystemStartsNoMoreThreads) {
  on_another_thread([] {
    if (!forbid_more_threads()) GTEST_SKIP() << "no seccomp here";
    const OpenmpTeam team(3);
    EXPECT_EQ(team.threads(), 1);
    EXPECT_EQ(team.why_fewer(), "the system starts no more");
    EXPECT_EQ(openmp_threads(), 1);  // what oneDNN plans for
  });
}

TEST(OpenmpTeam, IsOneThreadInsideAParallelRegion) {
  on_another_thread([] {
    in_parallel_region([] {
      const OpenmpTeam team(2);
      EXPECT_EQ(team.threads(), 1);
      EXPECT_EQ(team.why_fewer(), "inside a parallel region of OpenMP");
      EXPECT_EQ(openmp_threads(), 1);
    });
  });
}

TEST(OpenmpTeam, UndoesWhatMakesTeamsSmallerInAnyThreadThatCalls) {
  on_another_thread([] {
    const OpenmpTeam team(2);
    std::thread([&] {
      openmp_function<void(int)>("omp_set_num_threads")(7);
      openmp_function<void(int)>("omp_set_dynamic")(1);
      openmp_function<void(int)>("omp_set_max_active_levels")(0);
      team.prepare_caller();
      EXPECT_EQ(openmp_threads(), 2);
      EXPECT_EQ(openmp_function<int()>("omp_get_dynamic")(), 0);
      std::atomic<int> members = 0;
      team.run([](void* data) { ++*static_cast<std::atomic<int>*>(data); }, &members);
      EXPECT_EQ(members, 2);
    }).join();
  });
}

TEST(OpenmpTeam, RefusesToServeAPlanOfMoreThreadsThanTheCallerGets) {
  on_another_thread([] {
    const OpenmpTeam team(2);
    in_parallel_region([&] {
      try {
        team.prepare_caller();
        ADD_FAILURE() << "expected an Error";
      } catch (const Error& error) {
        EXPECT_STREQ(error.what(),
                     "a plan made for 2 threads of OpenMP runs inside one of OpenMP's parallel regions, where it gets "
                     "one; call it outside, or make its engine inside");
      }
    });
  });
}

TEST(Runtime, RunsEveryTaskOfALoopWithAnySizeOfTeam) {
  on_another_thread([] {
    ThreadPool pool(2);
    Runtime runtime(pool);
    const auto check = [&] {
      std::vector<std::atomic<int>> runs(5);
      runtime.parallel_for(5, [&](std::int64_t i) { ++runs.at(static_cast<std::size_t>(i)); });
      for (const auto& count : runs) EXPECT_EQ(count, 1);
      std::vector<std::atomic<int>> turns(2);
      runtime.for_each_thread([&](int thread) { ++turns.at(static_cast<std::size_t>(thread)); });
      for (const auto& count : turns) EXPECT_EQ(count, 1);
    };
    check();
    in_parallel_region(check);  // where it is one thread
  });
}

}  // namespace
}  // namespace convmixer::kernels
