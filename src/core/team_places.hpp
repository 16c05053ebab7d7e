/// Where the threads of a team run if there are as many of them as CPUs.
#pragma once

#include <atomic>
#include <cstddef>
#include <ctime>
#include <deque>
#include <mutex>
#include <span>

namespace convmixer {

/// If there are as many threads as CPUs, whatever else is busy shares a CPU with one of them, which then stands still
/// for a slice at a time (4 ms), in the middle of a task that all others wait for. And to the system it is all the same
/// whether it shares with one of them or has a CPU for itself while two of them share the other. So each worker has a
/// CPU of its own, its home, which is never the one where the caller is (that goes where the system sends it), and a
/// thread that has nothing left to do gives its own CPU to one that stands still. Measured beside one busy process on
/// two CPUs: 0.75 of the quiet machine's rate, which is the fair share, instead of 0.58.
class TeamPlaces {
 public:
  /// A CPU for each worker.
  explicit TeamPlaces(std::span<const int> cpus);
  TeamPlaces(const TeamPlaces&) = delete;
  TeamPlaces& operator=(const TeamPlaces&) = delete;

  /// The calling thread is this worker from now on; 0 is the caller.
  void register_thread(int worker) noexcept;
  /// Of the caller, before a loop: keeps workers off its CPU.
  void begin_loop() noexcept;
  /// Around a worker's tasks in a loop.
  void begin_tasks(int worker) noexcept;
  void end_tasks(int worker) noexcept;
  /// Of a worker after its tasks: ends its stay on another's CPU.
  void go_home(int worker) noexcept;

  /// Of a thread that waits: looks for one that the system has taken off its CPU, and gives it this one. True if this
  /// thread is to sleep now.
  [[nodiscard]] bool make_way(int worker) noexcept;

 private:
  struct alignas(64) Place {
    int thread = 0;  // the system's number; 0: not registered
    clockid_t clock = 0;
    int home = 0;    // the caller's: where it was last seen
    int bound = -1;  // the CPU in a worker's affinity mask
    std::atomic<bool> working{false};
    std::atomic<bool> guest{false};  // on the CPU of one that waits for it
  };

  Place& place_of(int worker) { return places_[static_cast<std::size_t>(worker)]; }
  void bind(Place& place, int cpu) noexcept;
  void change_places_with_caller(Place& own) noexcept;

  std::mutex mutex_;          // of all but the atomic ones
  std::deque<Place> places_;  // by worker
  bool given_up_ = false;     // somebody else has changed a worker's affinity mask
};

}  // namespace convmixer
