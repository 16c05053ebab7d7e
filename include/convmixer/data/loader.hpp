/// Batches, loaded and augmented by tasks of the pool ahead of the step that uses them.
#pragma once

#include "convmixer/core/thread_pool.hpp"
#include "convmixer/data/batch.hpp"
#include "convmixer/data/dataset.hpp"
#include "convmixer/data/loader_options.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace convmixer {

/// What preparing batches took, since the loader was made.
struct LoaderStatistics {
  std::int64_t images = 0;      ///< prepared
  double cpu_seconds = 0.0;     ///< that the tasks computed, all threads together
  double seconds_waited = 0.0;  ///< that next() waited, or helped to prepare what it waited for

  /// What one thread that does nothing else can supply; 0 before there is anything to tell from.
  [[nodiscard]] double images_per_second() const noexcept {
    return cpu_seconds > 0.0 ? static_cast<double>(images) / cpu_seconds : 0.0;
  }
};

/// A bounded queue of prepared batches. What image i looks like in epoch e is a function of (seed, e, i) alone, the
/// order of an epoch one of (seed, e), how a batch is mixed one of (seed, e, its number): any number of threads and
/// ranks gives the same stream. Its memory, for prefetch + 1 batches, is allocated once. Used from one thread, outside
/// the pool's tasks.
class Loader {
 public:
  /// `dataset` and `pool` must outlive the loader. Throws Error (usage) for options that make no sense together or
  /// with the data set.
  Loader(const Dataset& dataset, const LoaderOptions& options, ThreadPool& pool);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// Of the data set's images: those that batches hold have it unless they are reduced, see Batch::shape.
  [[nodiscard]] const ImageShape& image_shape() const;
  /// Labels are from 0 to below this; targets have a column for each.
  [[nodiscard]] int classes() const;
  /// The same on every rank.
  [[nodiscard]] std::int64_t batches_per_epoch() const;
  /// Those that it was made with.
  [[nodiscard]] const LoaderOptions& options() const;

  /// Begins an epoch at one of its batches, 0 <= first_batch <= batches_per_epoch(); throws Error (usage) for any
  /// other, and for an epoch that is negative or beyond 2^32. While the last batches of an epoch are used, the first
  /// ones of the next are prepared: starting that next epoch takes them up (so count epochs up when only evaluating,
  /// too); batches prepared for any other position are dropped.
  void start(std::int64_t epoch, std::int64_t first_batch = 0);

  /// The next batch, waiting for it if need be; nullptr after the epoch's last and before start(). Rethrows what its
  /// tasks threw, and throws Error for an image or a label that isn't what the data set says of itself; the call after
  /// that goes on with the batch after that one.
  const Batch* next();

  /// Seconds that next() has waited since start().
  [[nodiscard]] double seconds_waited() const;

  [[nodiscard]] LoaderStatistics statistics() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The order of an epoch: a Fisher-Yates shuffle of 0..size-1 by (seed, epoch). Throws Error (usage) for a size or an
/// epoch that is negative or beyond 2^32.
[[nodiscard]] std::vector<std::uint32_t> epoch_order(std::int64_t size, std::uint64_t seed, std::int64_t epoch);

}  // namespace convmixer
