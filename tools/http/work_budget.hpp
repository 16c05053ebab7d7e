/// How much of a core a server may take, so that whatever is asked of it disturbs nobody beside it for long.
#pragma once

#include <algorithm>
#include <ctime>

namespace convmixer::http {

/// A thread's CPU time in seconds, and seconds on the clock.
[[nodiscard]] inline double seconds_of(clockid_t clock) noexcept {
  timespec time{};
  ::clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// A leaky bucket of CPU time: `share` of a core flows in, up to `most` seconds; what the thread has worked flows out.
class WorkBudget {
 public:
  WorkBudget(double share, double most, double cpu, double clock)
      : share_(share), most_(most), credit_(most), cpu_(cpu), clock_(clock) {}

  /// How many seconds to rest now, by the thread's CPU time and the clock; 0: none.
  [[nodiscard]] double seconds_to_rest(double cpu, double clock) noexcept {
    credit_ = std::min(most_, credit_ + share_ * (clock - clock_)) - (cpu - cpu_);
    cpu_ = cpu;
    clock_ = clock;
    return credit_ < 0 ? -credit_ / share_ : 0.0;
  }

 private:
  double share_;
  double most_;
  double credit_;
  double cpu_;
  double clock_;
};

}  // namespace convmixer::http
