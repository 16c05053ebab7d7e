/// What a batch holds: which images, what becomes of them, and their targets, as a function of (seed, epoch, batch).
///
/// A batch is made in three parts, so that many tasks can share the work:
///   1. begin(), once: which images it needs, and how they are mixed.
///   2. augment(), for each of them, in any order: its bytes, augmented, and reduced if the epoch's images are.
///   3. finish(), for each of the batch's own, in any order: mixed with its partner, normalised, and its target. With
///      mixing, every image must have been augmented before; without, only the image itself.
#pragma once

#include "convmixer/core/aligned_buffer.hpp"
#include "convmixer/data/batch.hpp"
#include "convmixer/data/dataset.hpp"
#include "convmixer/data/loader_options.hpp"
#include "data/augment/image_pipeline.hpp"
#include "data/augment/mix.hpp"
#include "data/augment/reduction.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace convmixer {

/// A batch in the making, and its memory. The images that it needs are first the rank's own, then those of other ranks
/// that only serve as partners.
struct BatchWork {
  std::int64_t epoch = 0;
  std::vector<std::uint32_t> images;     // their places in the data set
  std::vector<std::uint32_t> partners;   // of each own image, as a place in `images`; empty without mixing
  std::vector<std::int32_t> own_places;  // by place in the batch of all ranks: in `images`, or -1; likewise
  MixDraw mix;
  const Reduction* reduction = nullptr;    // null: images have the data set's shape, else the reduction's
  std::vector<std::uint8_t> pixels;        // augmented bytes of `images`
  std::vector<std::int32_t> image_labels;  // of `images`
  AlignedBuffer values;                    // (N, C, H, W) f32
  std::vector<std::int32_t> labels;
  std::vector<float> targets;
  Batch batch;
};

class BatchMaker {
 public:
  /// Throws Error (usage) for options that make no sense together or with the data set, which must outlive it.
  BatchMaker(const Dataset& dataset, const LoaderOptions& options);

  [[nodiscard]] const ImageShape& image_shape() const noexcept { return pipeline_.shape(); }
  [[nodiscard]] int classes() const { return classes_; }
  [[nodiscard]] std::int64_t batches_per_epoch() const noexcept { return batches_per_epoch_; }
  [[nodiscard]] bool mixes() const noexcept { return options_.mix.is_on(); }
  /// Bytes of scratch memory that augment() and finish() need; each thread has its own.
  [[nodiscard]] std::size_t scratch_bytes() const noexcept;
  /// A batch in the making with memory for the largest one: nothing is allocated afterwards.
  [[nodiscard]] BatchWork make_work() const;

  /// `order` is that of the epoch, over all ranks.
  void begin(BatchWork& work, std::span<const std::uint32_t> order, std::int64_t epoch, std::int64_t batch) const;
  void augment(BatchWork& work, std::size_t image, std::span<std::byte> scratch) const;
  void finish(BatchWork& work, std::size_t image, std::span<std::byte> scratch) const;

 private:
  [[nodiscard]] const Reduction* reduction_in(std::int64_t epoch) const;
  /// Calls body(first, count) with the places that this rank has in a batch of so many images on all ranks.
  template <class Body>
  void for_each_share(std::int64_t batch_size, const Body& body) const;
  [[nodiscard]] std::size_t share_size(std::int64_t batch_size) const;
  void choose_images(BatchWork& work, std::span<const std::uint32_t> batch_of_all_ranks) const;
  void choose_partners(BatchWork& work, std::span<const std::uint32_t> batch_of_all_ranks) const;
  [[nodiscard]] std::span<std::uint8_t> pixels(BatchWork& work, std::size_t image) const;
  [[nodiscard]] ImageKey key(const BatchWork& work, std::size_t image) const;

  const Dataset& dataset_;
  const LoaderOptions options_;
  const ImagePipeline pipeline_;
  std::vector<Reduction> reductions_;  // to all sizes but the data set's
  std::int64_t images_;
  int classes_;
  std::int64_t batches_per_epoch_;
};

}  // namespace convmixer
