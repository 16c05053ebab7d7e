#include "kernels/onednn/openmp_team.hpp"

#include "convmixer/core/cpu.hpp"
#include "convmixer/core/error.hpp"
#include "convmixer/core/threads.hpp"
#include "core/thread_sanitizer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <dlfcn.h>

namespace convmixer::kernels {

namespace {

/// The functions that are used here; null where the process has no OpenMP. Linking one could put a second one into it.
struct Openmp {
  /// What compilers call for `#pragma omp parallel`: fn(data) on every thread of the team. All OpenMP libraries that
  /// have GCC's interface have it.
  void (*parallel)(void (*fn)(void*), void* data, unsigned threads, unsigned flags) = nullptr;
  int (*max_threads)() = nullptr;
  void (*set_threads)(int) = nullptr;
  int (*dynamic)() = nullptr;
  void (*set_dynamic)(int) = nullptr;
  int (*max_levels)() = nullptr;
  void (*set_max_levels)(int) = nullptr;
  int (*in_parallel)() = nullptr;
  int (*thread_number)() = nullptr;
  int (*team_size)() = nullptr;

  [[nodiscard]] bool complete() const noexcept {
    return parallel != nullptr && max_threads != nullptr && set_threads != nullptr && dynamic != nullptr &&
           set_dynamic != nullptr && max_levels != nullptr && set_max_levels != nullptr && in_parallel != nullptr &&
           thread_number != nullptr && team_size != nullptr;
  }
};

template <typename Function>
void find(Function*& function, const char* name) {
  function = reinterpret_cast<Function*>(::dlsym(RTLD_DEFAULT, name));
}

Openmp find_openmp() {
  Openmp found;
  find(found.parallel, "GOMP_parallel");
  find(found.max_threads, "omp_get_max_threads");
  find(found.set_threads, "omp_set_num_threads");
  find(found.dynamic, "omp_get_dynamic");
  find(found.set_dynamic, "omp_set_dynamic");
  find(found.max_levels, "omp_get_max_active_levels");
  find(found.set_max_levels, "omp_set_max_active_levels");
  find(found.in_parallel, "omp_in_parallel");
  find(found.thread_number, "omp_get_thread_num");
  find(found.team_size, "omp_get_num_threads");
  return found.complete() ? found : Openmp{};
}

const Openmp& openmp() {
  static const Openmp kFound = find_openmp();
  return kFound;
}

/// Settings of the calling thread that teams of `threads` need.
void ask_for(int threads) {
  const Openmp& omp = openmp();
  if (omp.dynamic() != 0) omp.set_dynamic(0);
  if (omp.max_levels() < 1) omp.set_max_levels(1);
  if (omp.max_threads() != threads) omp.set_threads(threads);
}

/// How many come when `threads` are asked for; they flush denormals from then on.
int count_team(int threads) {
  std::atomic<int> members = 0;
  const auto member = [](void* data) {
    auto& count = *static_cast<std::atomic<int>*>(data);
    thread_sanitizer_acquire(&count);
    flush_denormals_to_zero();
    ++count;
    thread_sanitizer_release(&count);
  };
  thread_sanitizer_release(&members);
  openmp().parallel(member, &members, static_cast<unsigned>(threads), 0);
  thread_sanitizer_acquire(&members);
  return members;
}

bool in_parallel_region() { return openmp().in_parallel() != 0; }

/// The team that the calling thread was last seen to get.
thread_local int team_of_this_thread = 0;

}  // namespace

OpenmpTeam::OpenmpTeam(int wanted) {
  if (openmp().parallel == nullptr || wanted <= 1) {
    if (openmp().parallel != nullptr) ask_for(1);
    return;
  }
  if (in_parallel_region()) {
    why_fewer_ = "inside a parallel region of OpenMP";  // where oneDNN takes one, even if more would come
  } else {
    // The TBB pool's threads, which may be still to come, and OpenMP's. libgomp ends the program if it gets none.
    const int others = wanted - 1;
    const int startable = startable_threads(2 * others) - others;
    ask_for(wanted);
    threads_ = count_team(std::clamp(startable + 1, 1, wanted));
    const char* const limit = std::getenv("OMP_THREAD_LIMIT");
    if (startable < others) {
      why_fewer_ = "the system starts no more";
    } else if (threads_ < wanted) {
      why_fewer_ = limit != nullptr ? fmt::format("OMP_THREAD_LIMIT={}", limit) : "OpenMP starts no more";
    }
  }
  ask_for(threads_);
  team_of_this_thread = threads_;
}

void OpenmpTeam::prepare_caller() const {
  if (openmp().parallel == nullptr) return;
  ask_for(threads_);
  if (threads_ == 1) return;
  if (in_parallel_region()) {
    fail(
        "a plan made for {} threads of OpenMP runs inside one of OpenMP's parallel regions, where it gets one; call it "
        "outside, or make its engine inside",
        threads_);
  }
  if (team_of_this_thread == threads_) return;
  if (const int team = count_team(threads_); team < threads_) {
    fail("a plan made for {} threads of OpenMP gets {} in the thread that calls it; expected as many", threads_, team);
  }
  team_of_this_thread = threads_;
}

void OpenmpTeam::run(void (*fn)(void*), void* data) const {
  if (threads_ == 1) {
    fn(data);
  } else {
    openmp().parallel(fn, data, static_cast<unsigned>(threads_), 0);
  }
}

TeamPlace place_in_team() noexcept {
  if (openmp().parallel == nullptr) return {0, 1};
  return {openmp().thread_number(), openmp().team_size()};
}

int openmp_threads() noexcept { return openmp().max_threads != nullptr ? openmp().max_threads() : 1; }

void set_openmp_threads(int threads) noexcept {
  if (openmp().set_threads != nullptr) openmp().set_threads(threads);
}

}  // namespace convmixer::kernels
