/// Batches, loaded and augmented by TBB tasks ahead of the step that uses them.
#pragma once

#include "convmixer/core/thread_pool.hpp"
#include "convmixer/data/augment.hpp"
#include "convmixer/data/dataset.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace convmixer {

struct LoaderOptions {
  std::int64_t batch_size = 128;
  bool shuffle = false;
  bool drop_last = false;  ///< leave out a last batch shorter than batch_size
  std::uint64_t seed = 0;
  int prefetch = 4;  ///< batches prepared ahead, at least 1
  Augmentation augmentation;
  Normalisation normalisation;
};

/// One batch, borrowed from the loader until the next call.
struct Batch {
  std::int64_t size = 0;
  std::span<const float> images;  ///< (N, C, H, W)
  std::span<const std::int32_t> labels;
};

/// A bounded queue of prepared batches. What image i looks like in epoch e is a function of (seed, e, i) alone, and the
/// order of an epoch of (seed, e): any number of threads gives the same stream. Its memory, for prefetch + 1 batches,
/// is allocated once. Used from one thread, outside the pool's tasks.
class Loader {
 public:
  /// `dataset` and `pool` must outlive the loader. Throws Error (usage) for options that make no sense together or
  /// with the data set.
  Loader(const Dataset& dataset, const LoaderOptions& options, ThreadPool& pool);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  [[nodiscard]] std::int64_t batches_per_epoch() const;

  /// Begins an epoch at one of its batches, 0 <= first_batch <= batches_per_epoch(). Behind the last batch of an epoch
  /// the first ones of the next are prepared already: starting that next epoch takes them up (so count epochs up when
  /// only evaluating, too); batches prepared for any other position are dropped.
  void start(std::int64_t epoch, std::int64_t first_batch = 0);

  /// The next batch, waiting for it if need be; nullptr after the epoch's last and before start(). Rethrows what its
  /// task threw; the call after that goes on with the batch after that one.
  const Batch* next();

  /// Seconds that next() has waited since start().
  [[nodiscard]] double seconds_waited() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The order of an epoch: a Fisher-Yates shuffle of 0..size-1 by (seed, epoch).
[[nodiscard]] std::vector<std::uint32_t> epoch_order(std::int64_t size, std::uint64_t seed, std::int64_t epoch);

}  // namespace convmixer
