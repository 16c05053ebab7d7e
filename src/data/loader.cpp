#include "convmixer/data/loader.hpp"

#include "convmixer/core/aligned_buffer.hpp"
#include "convmixer/core/error.hpp"
#include "convmixer/core/rng.hpp"
#include "convmixer/core/trace.hpp"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <numeric>
#include <utility>

namespace convmixer {

namespace {

constexpr int kMostPrefetched = 1024;

const LoaderOptions& checked(const LoaderOptions& options, const Dataset& dataset) {
  if (options.batch_size < 1) fail_usage("batch size: found {}, expected at least 1", options.batch_size);
  if (options.prefetch < 1 || options.prefetch > kMostPrefetched)
    fail_usage("prefetched batches: found {}, expected 1 to {}", options.prefetch, kMostPrefetched);
  if (dataset.size() < 1) fail("the data set holds no images");
  if (options.drop_last && dataset.size() < options.batch_size)
    fail_usage("batch size {} with the last, short batch left out: the data set has only {} images", options.batch_size,
               dataset.size());
  if (static_cast<int>(options.normalisation.mean.size()) != dataset.channels())
    fail_usage("normalisation: found {} means, expected one for each of the data set's {} channels",
               options.normalisation.mean.size(), dataset.channels());
  return options;
}

void set_epoch_order(std::span<std::uint32_t> order, std::uint64_t seed, std::int64_t epoch) {
  std::iota(order.begin(), order.end(), 0U);
  Rng rng(seed, RandomStream::shuffle, static_cast<std::uint32_t>(epoch));
  for (std::size_t left = order.size(); left > 1; --left)
    std::swap(order[left - 1], order[rng.below(static_cast<std::uint32_t>(left))]);
}

/// A place in the ring. `ready` and `error` are guarded by the loader's mutex; the rest belongs to the task between
/// enqueue and ready, and otherwise to the consumer.
struct Slot {
  std::int64_t position = 0;
  std::int64_t epoch = 0;
  std::vector<std::uint32_t> indices;  // of the batch's images
  std::vector<std::uint8_t> pixels;    // of the images, augmented and not yet normalised
  std::vector<std::uint8_t> working;   // of the task that augments
  AlignedBuffer images;
  std::vector<std::int32_t> labels;
  Batch batch;
  bool ready = false;
  std::exception_ptr error;
};

}  // namespace

std::vector<std::uint32_t> epoch_order(std::int64_t size, std::uint64_t seed, std::int64_t epoch) {
  std::vector<std::uint32_t> order(static_cast<std::size_t>(size));
  set_epoch_order(order, seed, epoch);
  return order;
}

/// Batches are numbered through all epochs: position = epoch * batches_per_epoch + batch, kept in slot
/// position mod slots.
struct Loader::Impl {
  Impl(const Dataset& data, const LoaderOptions& loader_options, ThreadPool& thread_pool)
      : dataset(data),
        options(checked(loader_options, data)),
        pool(thread_pool),
        pipeline(options.augmentation, options.normalisation, {data.channels(), data.image_size(), data.image_size()}),
        image_elements(static_cast<std::size_t>(data.channels() * data.image_size() * data.image_size())),
        batches_per_epoch(data.size() / options.batch_size +
                          (options.drop_last || data.size() % options.batch_size == 0 ? 0 : 1)),
        order(static_cast<std::size_t>(data.size())),
        slots(static_cast<std::size_t>(options.prefetch) + 1) {
    std::iota(order.begin(), order.end(), 0U);
    const auto batch_size = static_cast<std::size_t>(std::min(options.batch_size, data.size()));
    for (Slot& slot : slots) {
      slot.indices.reserve(batch_size);
      slot.pixels.resize(batch_size * image_elements);
      slot.working.resize(pipeline.working_bytes());
      slot.images = AlignedBuffer(batch_size * image_elements * sizeof(float));
      slot.labels.resize(batch_size);
    }
  }

  Slot& slot_of(std::int64_t at) { return slots[static_cast<std::size_t>(at) % slots.size()]; }

  /// Enqueues batches until every slot but a borrowed one is in use.
  void fill() {
    if (position < 0) return;
    while (scheduled - position < static_cast<std::int64_t>(slots.size())) schedule(scheduled++);
  }

  void schedule(std::int64_t at) {
    Slot& slot = slot_of(at);
    slot.position = at;
    slot.epoch = at / batches_per_epoch;
    if (options.shuffle && slot.epoch != order_epoch) {
      set_epoch_order(order, options.seed, slot.epoch);
      order_epoch = slot.epoch;
    }
    const std::int64_t first = at % batches_per_epoch * options.batch_size;
    const std::int64_t last = std::min(first + options.batch_size, dataset.size());
    slot.indices.assign(order.begin() + first, order.begin() + last);
    {
      const std::lock_guard lock(mutex);
      slot.ready = false;
      slot.error = nullptr;
      ++in_flight;
    }
    pool.enqueue([this, &slot] { run(slot); });
  }

  /// The task.
  void run(Slot& slot) noexcept {
    std::exception_ptr error;
    try {
      if (!is_dropping()) prepare(slot);
    } catch (...) {
      error = std::current_exception();
    }
    // Notified under the lock: as soon as the destructor sees in_flight == 0 the condition variable may be gone.
    const std::lock_guard lock(mutex);
    slot.error = std::move(error);
    slot.ready = true;
    --in_flight;
    changed.notify_one();
  }

  void prepare(Slot& slot) const {
    static const TraceName kPrepare("prepare batch");
    const TraceScope scope(kPrepare, slot.position + 1);  // as the trainer counts steps
    for (std::size_t n = 0; n < slot.indices.size(); ++n) {
      augment(slot, n);
      finish(slot, n);
    }
    slot.batch.size = static_cast<std::int64_t>(slot.indices.size());
    slot.batch.images = slot.images.as<float>().first(slot.indices.size() * image_elements);
    slot.batch.labels = std::span(slot.labels).first(slot.indices.size());
  }

  [[nodiscard]] std::span<std::uint8_t> pixels_of(Slot& slot, std::size_t n) const {
    return std::span(slot.pixels).subspan(n * image_elements, image_elements);
  }

  [[nodiscard]] ImageKey key_of(const Slot& slot, std::size_t n) const {
    return {options.seed, static_cast<std::uint32_t>(slot.epoch), slot.indices[n]};
  }

  /// Image n of a batch: what is done to its bytes.
  void augment(Slot& slot, std::size_t n) const {
    const std::uint32_t index = slot.indices[n];
    pipeline.augment(dataset.image(index), key_of(slot, n), slot.working, pixels_of(slot, n));
    slot.labels[n] = dataset.label(index);
  }

  /// What is done once its batch may have been mixed: normalisation, and what works on normalised values.
  void finish(Slot& slot, std::size_t n) const {
    pipeline.normalise(pixels_of(slot, n), key_of(slot, n),
                       slot.images.as<float>().subspan(n * image_elements, image_elements));
  }

  bool is_dropping() {
    const std::lock_guard lock(mutex);
    return dropping;
  }

  /// Waits until no task is left; those not yet begun do nothing.
  void drop_all() {
    std::unique_lock lock(mutex);
    dropping = true;
    changed.wait(lock, [this] { return in_flight == 0; });
    dropping = false;
  }

  /// Waits for the slot; returns what its task threw.
  std::exception_ptr wait_for(Slot& slot) {
    std::unique_lock lock(mutex);
    if (!slot.ready) {
      static const TraceName kWait("wait for batch");
      const TraceScope scope(kWait, slot.position + 1);
      const auto begin = std::chrono::steady_clock::now();
      changed.wait(lock, [&slot] { return slot.ready; });
      seconds_waited += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    }
    return std::exchange(slot.error, nullptr);
  }

  const Dataset& dataset;
  const LoaderOptions options;
  ThreadPool& pool;
  const ImagePipeline pipeline;
  const std::size_t image_elements;
  const std::int64_t batches_per_epoch;

  // Of the consumer alone.
  std::vector<std::uint32_t> order;
  std::int64_t order_epoch = -1;
  std::int64_t position = -1;      // of the batch that next() returns next; -1: never started
  std::int64_t end_of_epoch = -1;  // position behind the epoch's last batch
  std::int64_t scheduled = -1;     // position of the batch to enqueue next
  double seconds_waited = 0.0;

  std::mutex mutex;
  std::condition_variable changed;
  std::int64_t in_flight = 0;  // tasks enqueued and not finished
  bool dropping = false;
  std::vector<Slot> slots;
};

Loader::Loader(const Dataset& dataset, const LoaderOptions& options, ThreadPool& pool)
    : impl_(std::make_unique<Impl>(dataset, options, pool)) {}

Loader::~Loader() { impl_->drop_all(); }

std::int64_t Loader::batches_per_epoch() const { return impl_->batches_per_epoch; }

void Loader::start(std::int64_t epoch, std::int64_t first_batch) {
  assert(epoch >= 0 && first_batch >= 0 && first_batch <= batches_per_epoch());
  const std::int64_t target = epoch * impl_->batches_per_epoch + first_batch;
  if (impl_->position != target) {
    impl_->drop_all();
    impl_->position = target;
    impl_->scheduled = target;
  }
  impl_->end_of_epoch = (epoch + 1) * impl_->batches_per_epoch;
  impl_->seconds_waited = 0.0;
  impl_->fill();
}

const Batch* Loader::next() {
  impl_->fill();  // the batch borrowed so far is given back
  if (impl_->position == impl_->end_of_epoch) return nullptr;
  Slot& slot = impl_->slot_of(impl_->position++);
  if (const std::exception_ptr error = impl_->wait_for(slot)) std::rethrow_exception(error);
  return &slot.batch;
}

double Loader::seconds_waited() const { return impl_->seconds_waited; }

}  // namespace convmixer
