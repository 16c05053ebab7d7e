#include "convmixer/data/loader.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/plural.hpp"
#include "convmixer/core/rng.hpp"
#include "convmixer/core/trace.hpp"
#include "data/batch_maker.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <ctime>
#include <exception>
#include <limits>
#include <mutex>
#include <numeric>
#include <utility>

namespace convmixer {

namespace {

/// Enough for a task to be worth its scheduling, few enough that a training step never waits long for its worker.
constexpr std::size_t kImagesPerTask = 16;
constexpr std::int64_t kLastEpoch = std::numeric_limits<std::uint32_t>::max();  // as random numbers are drawn for it

void set_epoch_order(std::span<std::uint32_t> order, std::uint64_t seed, std::int64_t epoch) {
  std::iota(order.begin(), order.end(), 0U);
  Rng rng(seed, RandomStream::shuffle, static_cast<std::uint32_t>(epoch));
  for (std::size_t left = order.size(); left > 1; --left)
    std::swap(order[left - 1], order[rng.below(static_cast<std::uint32_t>(left))]);
}

double thread_cpu_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

std::size_t task_count(std::size_t images) { return (images + kImagesPerTask - 1) / kImagesPerTask; }

}  // namespace

std::vector<std::uint32_t> epoch_order(std::int64_t size, std::uint64_t seed, std::int64_t epoch) {
  constexpr std::int64_t kMost = std::numeric_limits<std::uint32_t>::max();
  if (size < 0 || size > kMost) fail_usage("order of an epoch: {}, expected 0 to {}", counted(size, "image"), kMost);
  if (epoch < 0 || epoch > kLastEpoch) fail_usage("epoch: found {}, expected 0 to {}", epoch, kLastEpoch);
  std::vector<std::uint32_t> order(static_cast<std::size_t>(size));
  set_epoch_order(order, seed, epoch);
  return order;
}

/// Batches are numbered through all epochs: position = epoch * batches_per_epoch + batch, kept in slot
/// position mod slots. A batch is made by tasks in one pass, or with mixing in two: the last task of the first
/// enqueues the second.
struct Loader::Impl {
  enum class Pass { augment, finish, both };

  struct Slot;
  /// Some images of a slot's batch in its present pass.
  struct Task {
    Slot* slot = nullptr;
    std::size_t first = 0;  // image
    std::vector<std::byte> scratch;
  };

  /// A place in the ring. What stands below `ready` is guarded by the loader's mutex; the rest belongs to the tasks
  /// until the slot is ready, and otherwise to the consumer.
  struct Slot {
    std::int64_t position = 0;
    BatchWork work;
    Pass pass = Pass::both;
    std::vector<Task> tasks;
    bool ready = false;
    std::size_t tasks_begun = 0;
    std::size_t tasks_left = 0;  // begun or not
    std::exception_ptr error;
  };

  Impl(const Dataset& data, const LoaderOptions& loader_options, ThreadPool& thread_pool)
      : maker(data, loader_options),
        options(loader_options),
        pool(thread_pool),
        order(static_cast<std::size_t>(data.size())),
        slots(static_cast<std::size_t>(options.prefetch) + 1) {
    std::iota(order.begin(), order.end(), 0U);
    for (Slot& slot : slots) {
      slot.work = maker.make_work();
      slot.tasks = std::vector<Task>(task_count(slot.work.image_labels.size()));
      for (std::size_t i = 0; i < slot.tasks.size(); ++i)
        slot.tasks[i] = {&slot, i * kImagesPerTask, std::vector<std::byte>(maker.scratch_bytes())};
    }
    open.reserve(slots.size());
  }

  Slot& slot_of(std::int64_t at) { return slots[static_cast<std::size_t>(at) % slots.size()]; }

  /// Enqueues batches until every slot but a borrowed one is in use.
  void fill() {
    if (position < 0) return;
    while (scheduled - position < static_cast<std::int64_t>(slots.size())) schedule(scheduled++);
  }

  void schedule(std::int64_t at) {
    Slot& slot = slot_of(at);
    const std::int64_t epoch = at / maker.batches_per_epoch();
    if (options.shuffle && epoch != order_epoch) {
      set_epoch_order(order, options.seed, epoch);
      order_epoch = epoch;
    }
    slot.position = at;
    maker.begin(slot.work, order, epoch, at % maker.batches_per_epoch());
    {
      const std::lock_guard lock(mutex);
      slot.ready = slot.work.images.empty();
      slot.error = nullptr;
    }
    enqueue(slot, maker.mixes() ? Pass::augment : Pass::both);
  }

  static TraceName trace_name(Pass pass) {
    static const TraceName kAugment("prepare batch: augment", "prepare batch");
    static const TraceName kFinish("prepare batch: mix and finish", "prepare batch");
    static const TraceName kBoth("prepare batch");
    return pass == Pass::augment ? kAugment : pass == Pass::finish ? kFinish : kBoth;
  }

  static std::size_t images_in_pass(const Slot& slot, Pass pass) {
    return pass == Pass::augment ? slot.work.images.size() : static_cast<std::size_t>(slot.work.batch.size);
  }

  void enqueue(Slot& slot, Pass pass) {
    const std::size_t count = task_count(images_in_pass(slot, pass));
    if (count == 0) return;
    std::size_t calls = 0;
    {
      const std::lock_guard lock(mutex);
      slot.pass = pass;
      slot.tasks_begun = 0;
      slot.tasks_left = count;
      open.push_back(&slot);
      tasks_to_begin += count;
      // Fewer than tasks where next() began tasks itself: their calls are still to come.
      if (tasks_to_begin > calls_to_come) calls = tasks_to_begin - calls_to_come;
      calls_to_come += calls;
      in_flight += calls;
    }
    for (std::size_t i = 0; i < calls; ++i) pool.enqueue([this] { run_oldest(); });
  }

  /// What is enqueued: begins whatever task is the next, if any is left.
  void run_oldest() noexcept {
    Task* task = nullptr;
    {
      const std::lock_guard lock(mutex);
      --calls_to_come;
      if (!open.empty()) task = &begin_task(*open.front());
    }
    if (task != nullptr) run(*task);
    // Notified under the lock: as soon as the destructor sees in_flight == 0 the condition variable may be gone.
    const std::lock_guard lock(mutex);
    --in_flight;
    changed.notify_one();
  }

  /// Of a slot that has one left. With the mutex locked.
  Task& begin_task(Slot& slot) {
    Task& task = slot.tasks[slot.tasks_begun++];
    --tasks_to_begin;
    if (slot.tasks_begun == task_count(images_in_pass(slot, slot.pass))) std::erase(open, &slot);
    return task;
  }

  void run(Task& task) noexcept {
    const double begin = thread_cpu_seconds();
    std::exception_ptr error;
    try {
      compute(task);
    } catch (...) {
      error = std::current_exception();
    }
    const double cpu_seconds = thread_cpu_seconds() - begin;

    Slot& slot = *task.slot;
    std::unique_lock lock(mutex);
    statistics.cpu_seconds += cpu_seconds;
    if (error && !slot.error) slot.error = std::move(error);
    if (--slot.tasks_left > 0) return;
    if (slot.pass == Pass::augment && !slot.error && !dropping) {
      lock.unlock();
      enqueue(slot, Pass::finish);
      lock.lock();
    } else {
      slot.ready = true;
      if (!dropping) statistics.images += slot.work.batch.size;
    }
    changed.notify_one();
  }

  void compute(Task& task) {
    BatchWork& work = task.slot->work;
    const Pass pass = task.slot->pass;
    const TraceScope scope(trace_name(pass), task.slot->position + 1);  // as the trainer counts steps
    const std::size_t last = std::min(task.first + kImagesPerTask, images_in_pass(*task.slot, pass));
    for (std::size_t image = task.first; image < last; ++image) {
      if (pass != Pass::finish) maker.augment(work, image, task.scratch);
      if (pass != Pass::augment) maker.finish(work, image, task.scratch);
    }
  }

  /// Waits until no task is left; those not yet begun never are.
  void drop_all() {
    std::unique_lock lock(mutex);
    dropping = true;
    open.clear();
    tasks_to_begin = 0;
    changed.wait(lock, [this] { return in_flight == 0; });
    dropping = false;
  }

  /// Waits for the slot; returns what its tasks threw. Those that nobody has begun, all workers begin now, this thread
  /// among them: loading needs no CPU of its own.
  std::exception_ptr wait_for(Slot& slot) {
    std::unique_lock lock(mutex);
    if (!slot.ready) {
      static const TraceName kWait("wait for batch");
      const TraceScope scope(kWait, slot.position + 1);
      const auto begin = std::chrono::steady_clock::now();
      const auto is_open = [&] { return std::ranges::find(open, &slot) != open.end(); };
      while (!slot.ready) {
        if (is_open()) {
          run_here(slot, lock);
        } else {
          changed.wait(lock, [&] { return slot.ready || is_open(); });
        }
      }
      statistics.seconds_waited += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    }
    return std::exchange(slot.error, nullptr);
  }

  /// All tasks of an open slot that nobody has begun.
  void run_here(Slot& slot, std::unique_lock<std::mutex>& lock) {
    const std::size_t first = slot.tasks_begun;
    const std::size_t end = task_count(images_in_pass(slot, slot.pass));
    while (slot.tasks_begun < end) begin_task(slot);
    lock.unlock();
    pool.for_each_task(static_cast<std::int64_t>(end - first), [&](std::int64_t task, int /*worker*/) {
      run(slot.tasks[first + static_cast<std::size_t>(task)]);
    });
    lock.lock();
  }

  LoaderStatistics read_statistics() {
    const std::lock_guard lock(mutex);
    return statistics;
  }

  const BatchMaker maker;
  const LoaderOptions options;
  ThreadPool& pool;

  // Of the consumer alone.
  std::vector<std::uint32_t> order;
  std::int64_t order_epoch = -1;
  std::int64_t position = -1;      // of the batch that next() returns next; -1: never started
  std::int64_t end_of_epoch = -1;  // position after the epoch's last batch
  std::int64_t scheduled = -1;     // position of the batch to enqueue next
  double waited_before = 0.0;      // start()

  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Slot*> open;         // with tasks that nobody has begun, in the order in which they are to be
  std::size_t tasks_to_begin = 0;  // of those
  std::size_t calls_to_come = 0;   // of run_oldest(), enqueued
  std::size_t in_flight = 0;       // these, and those under way
  bool dropping = false;
  LoaderStatistics statistics;
  std::vector<Slot> slots;
};

Loader::Loader(const Dataset& dataset, const LoaderOptions& options, ThreadPool& pool)
    : impl_(std::make_unique<Impl>(dataset, options, pool)) {}

Loader::~Loader() { impl_->drop_all(); }

const ImageShape& Loader::image_shape() const { return impl_->maker.image_shape(); }

int Loader::classes() const { return impl_->maker.classes(); }

std::int64_t Loader::batches_per_epoch() const { return impl_->maker.batches_per_epoch(); }

const LoaderOptions& Loader::options() const { return impl_->options; }

void Loader::start(std::int64_t epoch, std::int64_t first_batch) {
  if (epoch < 0 || epoch > kLastEpoch) fail_usage("epoch: found {}, expected 0 to {}", epoch, kLastEpoch);
  if (first_batch < 0 || first_batch > batches_per_epoch())
    fail_usage("first batch of an epoch: found {}, expected 0 to its number of batches, {}", first_batch,
               batches_per_epoch());
  const std::int64_t target = epoch * batches_per_epoch() + first_batch;
  if (impl_->position != target) {
    impl_->drop_all();
    impl_->position = target;
    impl_->scheduled = target;
  }
  impl_->end_of_epoch = (epoch + 1) * batches_per_epoch();
  impl_->waited_before = statistics().seconds_waited;
  impl_->fill();
}

const Batch* Loader::next() {
  impl_->fill();  // the batch borrowed so far is given back
  if (impl_->position == impl_->end_of_epoch) return nullptr;
  Impl::Slot& slot = impl_->slot_of(impl_->position++);
  if (const std::exception_ptr error = impl_->wait_for(slot)) std::rethrow_exception(error);
  return &slot.work.batch;
}

double Loader::seconds_waited() const { return statistics().seconds_waited - impl_->waited_before; }

LoaderStatistics Loader::statistics() const { return impl_->read_statistics(); }

}  // namespace convmixer
