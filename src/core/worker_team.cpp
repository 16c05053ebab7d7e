#include "core/worker_team.hpp"

#include "convmixer/core/cpu.hpp"
#include "convmixer/core/threads.hpp"
#include "convmixer/core/trace.hpp"
#include "core/spin.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace convmixer {

namespace {

using Clock = std::chrono::steady_clock;

thread_local const void* team_of_thread = nullptr;  // whose loop or task this thread is in

/// Until the end of the scope, this thread is in a loop or task of a team.
class InTeam {
 public:
  explicit InTeam(const void* team) : before_(std::exchange(team_of_thread, team)) {}
  ~InTeam() { team_of_thread = before_; }
  InTeam(const InTeam&) = delete;
  InTeam& operator=(const InTeam&) = delete;

 private:
  const void* before_;
};

/// Longer than most waits for the last task of a loop, so that the next one need not wake anybody (200 microseconds
/// cost 0.7% of a step of ConvMixer-256/8 more); shorter than a slice of the system's scheduler.
constexpr std::chrono::microseconds kSpin(3000);
/// How soon, and how often, one that spins looks for a thread that stands still.
constexpr std::chrono::microseconds kLook(20);

}  // namespace

void name_worker() {
  static std::atomic<int> workers = 0;
  thread_local bool named = false;
  if (std::exchange(named, true)) return;
  const int number = ++workers;
  name_traced_thread(fmt::format("worker {}", number), number);
}

WorkerTeam::WorkerTeam(int workers, ThreadPins* pins)
    : workers_(workers), pins_(pins), process_(getpid()), shares_(static_cast<std::size_t>(workers) + 1) {
  const std::vector<int> cpus = cpus_by_core();
  const auto threads = static_cast<std::size_t>(workers);
  if (threads > 1 && threads <= cpus.size()) spin_ = kSpin;
  if (pins == nullptr && threads == cpus.size() && threads > 1) places_.emplace(cpus);
}

WorkerTeam::~WorkerTeam() {
  stop_ = true;
  news_.notify_all();
  for (std::thread& thread : threads_) {
    // After a fork, the child has none of them.
    if (getpid() == process_) {
      thread.join();
    } else {
      thread.detach();
    }
  }
}

/// At the first use: threads that are not needed are not made, and a fork before it takes none away.
void WorkerTeam::start() {
  std::call_once(started_, [this] {
    const int count = workers_ > 1 ? workers_ - 1 : 1;
    threads_.reserve(static_cast<std::size_t>(count));
    try {
      for (int worker = 1; worker <= count; ++worker) threads_.emplace_back([this, worker] { work(worker); });
    } catch (const std::system_error&) {
      // The limit of processes is reached: those that are there do it.
    }
  });
}

void WorkerTeam::work(int worker) {
  const InTeam in_team(this);
  flush_denormals_to_zero();
  name_worker();
  if (places_) places_->register_thread(worker);
  std::uint32_t seen = 0;
  while (true) {
    const std::uint32_t loops = loops_.load(std::memory_order_acquire);
    if (loops != seen) {
      seen = loops;
      if (workers_ > 1) join_loop(worker);
    } else if (!run_enqueued()) {
      if (stop_) return;
      wait(news_, worker, [&] { return loops_.load(std::memory_order_acquire) != seen || waiting_ > 0 || stop_; });
    }
  }
}

template <typename Ready>
void WorkerTeam::wait(SignalWord& signal, int worker, const Ready& ready) {
  constexpr int kPauses = 16;
  const Clock::time_point begin = Clock::now();
  Clock::time_point look = begin + kLook;
  while (!ready()) {
    for (int i = 0; i < kPauses; ++i) pause_cpu();
    const Clock::time_point now = Clock::now();
    if (now - begin >= spin_) break;
    if (places_ && now >= look) {
      if (places_->make_way(worker)) break;
      look = now + kLook;
    }
  }
  while (!ready()) {
    const std::uint32_t now = signal.now();
    if (!ready()) signal.sleep(now);
  }
}

void WorkerTeam::run(const Loop& loop) {
  if (loop.count + loop.more <= 0) return;
  const FlushedDenormals flushed;
  if (workers_ == 1 || team_of_thread == this || busy_.exchange(true, std::memory_order_acquire))
    return run_alone(loop);
  start();
  open(loop, true);
  take_part(0);
  close();
}

void WorkerTeam::run_alone(const Loop& loop) const {
  const bool is_caller = workers_ == 1 && team_of_thread != this;
  if (is_caller && pins_ != nullptr) pins_->bind(0);
  const auto run = [&loop](std::int64_t begin, std::int64_t end) {
    for (std::int64_t task = begin; task < end; ++task) {
      loop.body(loop.context, loop.backwards ? begin + end - 1 - task : task, 0);
    }
  };
  run(0, loop.count);
  run(loop.count, loop.count + loop.more);
}

void WorkerTeam::run_on_each(const std::function<void(int)>& body) {
  constexpr std::chrono::milliseconds kMoment(300);
  const auto call = [](const void* context, std::int64_t worker, int /*worker*/) {
    (*static_cast<const std::function<void(int)>*>(context))(static_cast<int>(worker));
  };
  const Loop loop{.count = workers_, .more = 0, .backwards = false, .body = call, .context = &body};
  const FlushedDenormals flushed;
  if (workers_ == 1 || team_of_thread == this || busy_.exchange(true, std::memory_order_acquire))
    return run_alone(loop);
  start();
  open(loop, false);
  take_part(0);
  const Clock::time_point deadline = Clock::now() + kMoment;
  const auto to_come = std::span(shares_).first(threads_.size() + 1);
  const auto has_come = [](const Share& share) { return share.next.load(std::memory_order_relaxed) >= share.end; };
  while (!std::ranges::all_of(to_come, has_come) && Clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
  for (Share& share : shares_) work_off(share, 0);
  close();
}

void WorkerTeam::open(const Loop& loop, bool helps) {
  if (places_) places_->begin_loop();
  loop_ = loop;
  helps_ = helps;
  error_ = nullptr;
  failed_.store(false, std::memory_order_relaxed);
  for (std::int64_t worker = 0; worker < workers_; ++worker) {
    shares_[static_cast<std::size_t>(worker)].set(loop.count * worker / workers_, loop.count * (worker + 1) / workers_);
  }
  shares_.back().set(loop.count, loop.count + loop.more);
  inside_.fetch_or(kOpen, std::memory_order_release);
  loops_.fetch_add(1, std::memory_order_release);
  news_.notify_all();
}

void WorkerTeam::close() {
  inside_.fetch_and(~kOpen, std::memory_order_acq_rel);
  wait(left_, 0, [this] { return inside_.load(std::memory_order_acquire) == 0; });
  const std::exception_ptr error = std::exchange(error_, nullptr);
  busy_.store(false, std::memory_order_release);
  if (error) std::rethrow_exception(error);
}

void WorkerTeam::join_loop(int worker) {
  if ((inside_.fetch_add(1, std::memory_order_acquire) & kOpen) != 0) {
    if (places_) places_->begin_tasks(worker);
    take_part(worker);
    if (places_) places_->end_tasks(worker);
  }
  if (inside_.fetch_sub(1, std::memory_order_acq_rel) == 1) left_.notify_all();
  if (places_) places_->go_home(worker);
}

void WorkerTeam::take_part(int worker) {
  const InTeam in_team(this);
  if (pins_ != nullptr) pins_->bind(worker);
  work_off(shares_[static_cast<std::size_t>(worker)], worker);
  if (!helps_) return;
  work_off(shares_.back(), worker);
  for (int other = 1; other < workers_; ++other) {
    work_off(shares_[static_cast<std::size_t>((worker + other) % workers_)], worker);
  }
}

void WorkerTeam::work_off(Share& share, int worker) {
  const auto next = [&share] { return share.next.fetch_add(1, std::memory_order_relaxed); };
  try {
    for (std::int64_t task = next(); task < share.end; task = next()) {
      if (failed_.load(std::memory_order_relaxed)) return;
      loop_.body(loop_.context, loop_.backwards ? share.begin + share.end - 1 - task : task, worker);
    }
  } catch (...) {
    if (!failed_.exchange(true)) error_ = std::current_exception();
  }
}

void WorkerTeam::enqueue(std::function<void()> task) {
  start();
  if (threads_.empty()) return task();
  {
    const std::lock_guard lock(mutex_);
    const auto count = static_cast<std::size_t>(waiting_);
    if (count == ring_.size()) {
      // clang 14 does not compile the std::ranges::rotate of libstdc++ 12.
      std::rotate(ring_.begin(), ring_.begin() + static_cast<std::ptrdiff_t>(first_), ring_.end());
      first_ = 0;
      ring_.resize(std::max<std::size_t>(64, 2 * count));
    }
    ring_[(first_ + count) % ring_.size()] = std::move(task);
    ++waiting_;
  }
  news_.notify_one();
}

bool WorkerTeam::run_enqueued() {
  if (waiting_ == 0) return false;
  std::function<void()> task;
  {
    const std::lock_guard lock(mutex_);
    if (waiting_ == 0) return false;
    task = std::exchange(ring_[first_], nullptr);
    first_ = (first_ + 1) % ring_.size();
    --waiting_;
  }
  if (pins_ != nullptr) pins_->bind_beside();
  task();  // once it has run, its owner may destroy the pool
  return true;
}

}  // namespace convmixer
