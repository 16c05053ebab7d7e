/// Seconds in which the process ran: neither stopped (Ctrl-Z, `kill -STOP`, `docker pause`) nor asleep with its
/// machine.
#pragma once

#include <functional>
#include <memory>

namespace convmixer {

/// A steady clock that leaves out the time in which the process stood still. Nobody tells a process that it was
/// stopped; but a thread of the clock's own that looks at it every moment then finds that a long time went by in which
/// the whole process had next to no CPU time. Stops of less than half a second count as running, and of any other up to
/// the moment between two looks (50 ms).
class RunningClock {
 public:
  /// Where the time comes from: seconds from any moment on, and seconds of CPU time of all threads together.
  struct Sources {
    std::function<double()> steady;
    std::function<double()> cpu;
  };

  /// The system's clocks, and a thread that looks at them.
  RunningClock();
  /// Other clocks, and no thread: only calls of seconds() look at them.
  explicit RunningClock(Sources sources);
  ~RunningClock();
  RunningClock(const RunningClock&) = delete;
  RunningClock& operator=(const RunningClock&) = delete;

  /// Never goes back. For any thread.
  [[nodiscard]] double seconds();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace convmixer
