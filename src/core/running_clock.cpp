#include "convmixer/core/running_clock.hpp"

#include <algorithm>
#include <ctime>
#include <mutex>
#include <optional>
#include <poll.h>
#include <sys/eventfd.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace convmixer {

namespace {

constexpr double kTick = 0.05;         // seconds between two looks
constexpr double kShortestStop = 0.5;  // a thread that wants nothing but to look gets its turn before that

double read(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// Calls look() every moment, on a thread of its own, until destruction.
class Heartbeat {
 public:
  explicit Heartbeat(std::function<void()> look)
      : end_(::eventfd(0, EFD_CLOEXEC)), thread_([this, look = std::move(look)] {
          pollfd end{.fd = end_, .events = POLLIN, .revents = 0};
          while (::poll(&end, 1, static_cast<int>(1000.0 * kTick)) <= 0) look();
        }) {}
  ~Heartbeat() {
    ::eventfd_write(end_, 1);
    thread_.join();
    ::close(end_);
  }
  Heartbeat(const Heartbeat&) = delete;
  Heartbeat& operator=(const Heartbeat&) = delete;

 private:
  int end_;
  std::thread thread_;
};

}  // namespace

struct RunningClock::Impl {
  explicit Impl(Sources of) : sources(std::move(of)), last(sources.steady()), last_cpu(sources.cpu()), latest(last) {}

  double seconds() {
    const std::lock_guard lock(mutex);
    const double now = sources.steady();
    if (now - last >= kTick) look(now);
    // Of a stop that a look finds, calls since the look before it may have counted the beginning.
    latest = std::max(latest, now - stopped);
    return latest;
  }

  void look(double now) {
    const double cpu = sources.cpu();
    const double gap = now - last;
    const double used = cpu - last_cpu;
    // At its busiest the process would have used its CPU time up in this much of the gap: the rest it stood still.
    const double running = busiest > 0.0 ? std::min(gap, used / busiest) : 0.0;
    if (gap > kShortestStop && running < gap / 2) stopped += gap - running;
    busiest = std::max(busiest, used / gap);
    last = now;
    last_cpu = cpu;
  }

  Sources sources;
  std::mutex mutex;
  double last;           // look: when,
  double last_cpu;       // and how much CPU time the process had had
  double latest;         // what was given out
  double busiest = 0.0;  // CPU time a second, the most between two looks
  double stopped = 0.0;
  std::optional<Heartbeat> heartbeat;  // last: its thread uses all the others
};

RunningClock::RunningClock()
    : RunningClock({[] { return read(CLOCK_MONOTONIC); }, [] { return read(CLOCK_PROCESS_CPUTIME_ID); }}) {
  impl_->heartbeat.emplace([impl = impl_.get()] { (void)impl->seconds(); });
}

RunningClock::RunningClock(Sources sources) : impl_(std::make_unique<Impl>(std::move(sources))) {}

RunningClock::~RunningClock() = default;

double RunningClock::seconds() { return impl_->seconds(); }

}  // namespace convmixer
