#include "convmixer/data/image_file_loader.hpp"

#include "convmixer/core/aligned_buffer.hpp"
#include "convmixer/core/error.hpp"
#include "convmixer/core/trace.hpp"

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <mutex>
#include <utility>
#include <vector>

namespace convmixer {

/// Files are read one a task, in order, into the slots of a ring; the slot of file i is that of its batch.
struct ImageFileLoader::Impl {
  struct Slot {
    AlignedBuffer values;
    std::vector<std::string> broken;
    ImageFileBatch batch;
    std::size_t left = 0;  // files that aren't read yet
    std::exception_ptr error;
  };

  Impl(const ImageReader& image_reader, std::span<const std::string> all_paths, ThreadPool& thread_pool,
       std::size_t files_of_batch, std::size_t slot_count)
      : reader(image_reader), paths(all_paths), pool(thread_pool), batch_size(files_of_batch), slots(slot_count) {
    for (Slot& slot : slots) {
      slot.values = AlignedBuffer(batch_size * reader.shape().bytes() * sizeof(float));
      slot.broken.resize(batch_size);
    }
  }

  [[nodiscard]] std::size_t batches() const { return (paths.size() + batch_size - 1) / batch_size; }
  Slot& slot_of(std::size_t batch) { return slots[batch % slots.size()]; }

  /// Lets the tasks have every slot but the borrowed one.
  void fill() {
    for (; scheduled < std::min(position + slots.size(), batches()); ++scheduled) {
      Slot& slot = slot_of(scheduled);
      const std::size_t first = scheduled * batch_size;
      const std::size_t count = std::min(batch_size, paths.size() - first);
      slot.batch = {paths.subspan(first, count), slot.values.as<float>().first(count * reader.shape().bytes()),
                    std::span(slot.broken).first(count)};
      {
        const std::lock_guard lock(mutex);
        slot.left = count;
        end = first + count;
        in_flight += count;
      }
      for (std::size_t i = 0; i < count; ++i) pool.enqueue([this] { run_enqueued(); });
    }
  }

  /// The next file that nobody reads yet; `end` if there is none. With the mutex locked.
  std::size_t begin_file() { return begun < end ? begun++ : end; }

  /// What is enqueued: reads whatever file is the next, if next() hasn't begun it itself.
  void run_enqueued() noexcept {
    std::unique_lock lock(mutex);
    const std::size_t file = dropping ? end : begin_file();
    if (file < end) {
      lock.unlock();
      read(file);
      lock.lock();
    }
    // Notified under the lock: as soon as the destructor sees in_flight == 0 the condition variable may be gone.
    --in_flight;
    changed.notify_one();
  }

  void read(std::size_t file) noexcept {
    static const TraceName kRead("read image");
    const TraceScope scope(kRead);
    Slot& slot = slot_of(file / batch_size);
    const std::size_t place = file % batch_size;
    const std::size_t values = reader.shape().bytes();
    const std::span<float> out = slot.values.as<float>().subspan(place * values, values);
    std::exception_ptr error;
    try {
      slot.broken[place] = why_broken(paths[file], out);
    } catch (...) {
      error = std::current_exception();
    }
    const std::lock_guard lock(mutex);
    if (error && !slot.error) slot.error = std::move(error);
    if (--slot.left == 0) changed.notify_one();
  }

  /// Reads a file; what remains of an earlier image is no image of a broken one.
  std::string why_broken(const std::string& path, std::span<float> out) const {
    try {
      reader.read(path, out);
      return {};
    } catch (const Error& error) {
      std::ranges::fill(out, 0.0F);
      return error.what();
    }
  }

  /// Waits for a batch. Files of it that nobody has begun, all workers begin now, this thread among them: reading needs
  /// no CPU of its own.
  std::exception_ptr wait_for(std::size_t batch) {
    static const TraceName kWait("wait for images");
    Slot& slot = slot_of(batch);
    std::unique_lock lock(mutex);
    if (slot.left > 0) {
      const TraceScope scope(kWait);
      const std::size_t first = begun;
      const std::size_t last = std::max(first, std::min((batch + 1) * batch_size, end));
      begun = last;
      lock.unlock();
      pool.for_each_task(static_cast<std::int64_t>(last - first),
                         [&](std::int64_t i, int /*worker*/) { read(first + static_cast<std::size_t>(i)); });
      lock.lock();
      changed.wait(lock, [&] { return slot.left == 0; });
    }
    return std::exchange(slot.error, nullptr);
  }

  /// Waits until no task is left; those not yet begun never are.
  void drop_all() {
    std::unique_lock lock(mutex);
    dropping = true;
    changed.wait(lock, [this] { return in_flight == 0; });
  }

  const ImageReader& reader;
  const std::span<const std::string> paths;
  ThreadPool& pool;
  const std::size_t batch_size;

  // Of the consumer alone, in batches.
  std::size_t position = 0;   // that next() returns next
  std::size_t scheduled = 0;  // to enqueue next

  std::mutex mutex;
  std::condition_variable changed;
  std::size_t begun = 0;      // files that were
  std::size_t end = 0;        // of those that may be
  std::size_t in_flight = 0;  // calls of run_enqueued(), to come and under way
  bool dropping = false;
  std::vector<Slot> slots;  // `left` and `error` guarded by the mutex, the rest the tasks' or the consumer's
};

ImageFileLoader::ImageFileLoader(const ImageReader& reader, std::span<const std::string> paths, ThreadPool& pool,
                                 std::int64_t batch_size, int prefetch) {
  if (batch_size < 1) fail_usage("batch size: found {}, expected at least 1", batch_size);
  if (prefetch < 1) fail_usage("prefetched batches: found {}, expected at least 1", prefetch);
  // No more memory than the files need.
  const std::size_t files = std::max<std::size_t>(1, paths.size());
  const std::size_t files_of_batch = std::min(files, static_cast<std::size_t>(batch_size));
  const std::size_t batches = (files + files_of_batch - 1) / files_of_batch;
  impl_ = std::make_unique<Impl>(reader, paths, pool, files_of_batch,
                                 std::min(batches, static_cast<std::size_t>(prefetch) + 1));
}

ImageFileLoader::~ImageFileLoader() { impl_->drop_all(); }

const ImageFileBatch* ImageFileLoader::next() {
  impl_->fill();
  if (impl_->position == impl_->batches()) return nullptr;
  const std::size_t batch = impl_->position++;
  if (const std::exception_ptr error = impl_->wait_for(batch)) std::rethrow_exception(error);
  return &impl_->slot_of(batch).batch;
}

}  // namespace convmixer
