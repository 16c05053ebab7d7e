#include "core/team_places.hpp"

#include "core/cpu_mask.hpp"
#include "core/spin.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <string_view>
#include <unistd.h>
#include <utility>

namespace convmixer {

namespace {

/// What a thread has computed so far.
std::int64_t nanoseconds_run(clockid_t clock) noexcept {
  timespec time{};
  if (clock_gettime(clock, &time) != 0) return -1;
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

/// Whether a thread is not running at present, for whatever reason.
bool stands_still(clockid_t clock) noexcept {
  constexpr int kPauses = 64;  // one to three microseconds
  const std::int64_t before = nanoseconds_run(clock);
  for (int i = 0; i < kPauses; ++i) pause_cpu();
  return nanoseconds_run(clock) == before;
}

/// Whether a thread would run if it had a CPU: the letter after the name in /proc/self/task/N/stat is R.
bool is_runnable(int thread) noexcept {
  std::array<char, 64> path{};
  fmt::format_to_n(path.data(), path.size() - 1, "/proc/self/task/{}/stat", thread);
  const int file = open(path.data(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  std::array<char, 128> buffer{};
  const ssize_t size = read(file, buffer.data(), buffer.size());
  close(file);
  const std::string_view text(buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  const std::size_t name_end = text.rfind(')');
  return name_end != std::string_view::npos && text.substr(name_end).starts_with(") R");
}

}  // namespace

TeamPlaces::TeamPlaces(std::span<const int> cpus) {
  for (const int cpu : cpus) places_.emplace_back().home = cpu;
}

void TeamPlaces::register_thread(int worker) noexcept {
  Place& place = place_of(worker);
  const int thread = gettid();
  if (place.thread == thread) return;  // which only this thread writes, and the callers one after the other
  const std::lock_guard lock(mutex_);
  place.thread = thread;
  pthread_getcpuclockid(pthread_self(), &place.clock);
  if (worker > 0) bind(place, place.home);
}

void TeamPlaces::bind(Place& place, int cpu) noexcept {
  if (given_up_) return;
  const cpu_set_t expected = mask_of(place.bound < 0 ? 0 : place.bound);
  cpu_set_t found;
  if (place.bound >= 0 &&
      (sched_getaffinity(place.thread, sizeof found, &found) != 0 || CPU_EQUAL(&found, &expected) == 0)) {
    given_up_ = true;
    return;
  }
  const cpu_set_t mask = mask_of(cpu);
  if (sched_setaffinity(place.thread, sizeof mask, &mask) == 0) place.bound = cpu;
}

void TeamPlaces::begin_loop() noexcept {
  register_thread(0);
  Place& caller = places_.front();
  const int cpu = sched_getcpu();
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock || cpu == caller.home) return;
  const auto its_worker =
      std::find_if(places_.begin() + 1, places_.end(), [cpu](const Place& place) { return place.home == cpu; });
  if (its_worker == places_.end()) return;  // the caller's affinity mask is another one
  its_worker->home = std::exchange(caller.home, cpu);
  if (its_worker->thread != 0) bind(*its_worker, its_worker->home);
}

void TeamPlaces::begin_tasks(int worker) noexcept { place_of(worker).working = true; }

void TeamPlaces::end_tasks(int worker) noexcept { place_of(worker).working = false; }

void TeamPlaces::go_home(int worker) noexcept {
  Place& place = place_of(worker);
  if (!place.guest) return;
  const std::lock_guard lock(mutex_);
  place.guest = false;
  bind(place, place.home);
}

bool TeamPlaces::make_way(int worker) noexcept {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock || given_up_) return false;  // one thread looks at a time
  Place& own = place_of(worker);
  Place& caller = places_.front();
  for (Place& other : places_) {
    if (&other == &own || other.thread == 0 || other.guest) continue;
    if (&other == &caller) {
      // Between loops it does what only it can do, or waits for something.
      if (stands_still(other.clock) && is_runnable(other.thread)) change_places_with_caller(own);
    } else if (other.working && stands_still(other.clock)) {
      other.guest = true;
      bind(other, sched_getcpu());
      return true;
    }
  }
  return false;
}

/// The caller's affinity mask stays what it is: only for a moment is there one CPU in it.
void TeamPlaces::change_places_with_caller(Place& own) noexcept {
  Place& caller = places_.front();
  cpu_set_t before;
  if (sched_getaffinity(caller.thread, sizeof before, &before) != 0) return;
  if (!CPU_ISSET(static_cast<std::size_t>(own.home), &before)) return;
  const cpu_set_t here = mask_of(own.home);
  if (sched_setaffinity(caller.thread, sizeof here, &here) != 0) return;
  sched_setaffinity(caller.thread, sizeof before, &before);
  std::swap(caller.home, own.home);
  bind(own, own.home);
}

}  // namespace convmixer
