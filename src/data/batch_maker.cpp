#include "data/batch_maker.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/micro_batches.hpp"
#include "convmixer/core/plural.hpp"
#include "convmixer/core/rng.hpp"
#include "core/batch_chunks.hpp"

#include <algorithm>
#include <cassert>

namespace convmixer {

namespace {

constexpr int kMostPrefetched = 1024;
constexpr std::size_t kMostBatchBytes = std::size_t{1} << 42;

void check_mix(const MixOptions& mix) {
  if (!(mix.mixup >= 0.0F && mix.mixup <= kMostMixAlpha))
    fail_usage("mixup: found {}, expected 0 to {}", mix.mixup, kMostMixAlpha);
  if (!(mix.cutmix >= 0.0F && mix.cutmix <= kMostMixAlpha))
    fail_usage("cutmix: found {}, expected 0 to {}", mix.cutmix, kMostMixAlpha);
  if (!(mix.probability >= 0.0F && mix.probability <= 1.0F))
    fail_usage("probability of mixing: found {}, expected 0 to 1", mix.probability);
  if (!(mix.switch_probability >= 0.0F && mix.switch_probability <= 1.0F))
    fail_usage("probability of cutmix: found {}, expected 0 to 1", mix.switch_probability);
}

void check_image_sizes(std::span<const ImageSizeStretch> stretches, int whole) {
  std::int64_t next = 0;
  for (const ImageSizeStretch& stretch : stretches) {
    if (stretch.image_size < 1 || stretch.image_size > whole)
      fail_usage("images reduced to {}: expected 1 to {}, those of the data set", counted(stretch.image_size, "pixel"),
                 whole);
    if (stretch.first_epoch != next || stretch.end_epoch <= next)
      fail_usage("image sizes: epochs {} to {} after {}, expected each stretch to begin where the one before it ends",
                 stretch.first_epoch, stretch.end_epoch, next);
    next = stretch.end_epoch;
  }
}

const LoaderOptions& checked(const LoaderOptions& options, const Dataset& dataset) {
  if (options.batch_size < 1) fail_usage("batch size: found {}, expected at least 1", options.batch_size);
  if (options.ranks < 1) fail_usage("ranks: found {}, expected at least 1", options.ranks);
  if (options.rank < 0 || options.rank >= options.ranks)
    fail_usage("rank: found {}, expected 0 to {}", options.rank, options.ranks - 1);
  if (options.micro_batch < 0)
    fail_usage("micro-batch: found {}, expected a number of images, or 0 for the whole batch", options.micro_batch);
  if (options.prefetch < 1 || options.prefetch > kMostPrefetched)
    fail_usage("prefetched batches: found {}, expected 1 to {}", options.prefetch, kMostPrefetched);
  check_dataset(dataset);
  const std::int64_t images = std::min(options.batch_size, dataset.size());
  if (static_cast<std::size_t>(images) > kMostBatchBytes / image_bytes(dataset))
    fail_usage("batch size {}: with images of {} no computer has room for it", options.batch_size,
               counted(image_bytes(dataset), "byte"));
  if (options.drop_last && dataset.size() < options.batch_size)
    fail_usage("batch size {} with the last, short batch left out: the data set has only {}", options.batch_size,
               counted(dataset.size(), "image"));
  if (static_cast<int>(options.normalisation.mean.size()) != dataset.channels())
    fail_usage("normalisation: found {}, expected one for each of the data set's {}",
               counted(options.normalisation.mean.size(), "mean"), counted(dataset.channels(), "channel"));
  check_mix(options.mix);
  check_image_sizes(options.image_sizes, dataset.image_size());
  return options;
}

}  // namespace

BatchMaker::BatchMaker(const Dataset& dataset, const LoaderOptions& options)
    : dataset_(dataset),
      options_(checked(options, dataset)),
      pipeline_(options.augmentation, options.normalisation,
                {dataset.channels(), dataset.image_size(), dataset.image_size()}),
      images_(dataset.size()),
      classes_(dataset.classes()),
      batches_per_epoch_(images_ / options.batch_size +
                         (options.drop_last || images_ % options.batch_size == 0 ? 0 : 1)) {
  const int whole = dataset.image_size();
  for (const int size : distinct_sizes(options_.image_sizes, whole))
    if (size != whole) reductions_.emplace_back(image_shape(), size);
}

std::size_t BatchMaker::scratch_bytes() const noexcept {
  const std::size_t whole = image_shape().bytes();
  std::size_t augmenting = pipeline_.working_bytes();
  for (const Reduction& reduction : reductions_)
    augmenting = std::max(augmenting, whole + std::max(pipeline_.working_bytes(), reduction.working_bytes()));
  return std::max(augmenting, mixes() ? whole * sizeof(float) : 0);
}

const Reduction* BatchMaker::reduction_in(std::int64_t epoch) const {
  const int size = image_size_in(options_.image_sizes, epoch, image_shape().height);
  const auto found = std::ranges::find_if(
      reductions_, [size](const Reduction& reduction) { return reduction.shape().height == size; });
  return found == reductions_.end() ? nullptr : &*found;
}

template <class Body>
void BatchMaker::for_each_share(std::int64_t batch_size, const Body& body) const {
  const MicroBatches parts(batch_size, options_.micro_batch);
  std::size_t first = 0;
  for (std::int64_t part = 0; part < parts.count(); ++part) {
    const auto images = static_cast<std::size_t>(parts.size(part));
    const BatchChunks share(images, options_.rank, options_.ranks);
    body(first + share.first_image(), share.images());
    first += images;
  }
}

std::size_t BatchMaker::share_size(std::int64_t batch_size) const {
  std::size_t sum = 0;
  if (batch_size > 0) for_each_share(batch_size, [&](std::size_t /*first*/, std::size_t count) { sum += count; });
  return sum;
}

BatchWork BatchMaker::make_work() const {
  const std::int64_t of_all_ranks = std::min(options_.batch_size, images_);
  const std::size_t own = std::max(share_size(of_all_ranks), share_size(images_ % options_.batch_size));
  const std::size_t needed = mixes() && options_.ranks > 1 ? 2 * own : own;
  const std::size_t elements = image_shape().bytes();  // of the largest
  BatchWork work;
  work.images.reserve(needed);
  work.pixels.resize(needed * elements);
  work.image_labels.resize(needed);
  work.values = AlignedBuffer(own * elements * sizeof(float));
  work.labels.resize(own);
  if (mixes()) {
    work.partners.reserve(own);
    work.own_places.resize(static_cast<std::size_t>(of_all_ranks));
    work.targets.resize(own * static_cast<std::size_t>(classes_));
  }
  return work;
}

void BatchMaker::begin(BatchWork& work, std::span<const std::uint32_t> order, std::int64_t epoch,
                       std::int64_t batch) const {
  const std::int64_t first = batch * options_.batch_size;
  const std::int64_t size = std::min(options_.batch_size, images_ - first);
  work.epoch = epoch;
  work.reduction = reduction_in(epoch);
  work.batch.shape = work.reduction == nullptr ? image_shape() : work.reduction->shape();
  choose_images(work, order.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(size)));
  if (mixes()) {
    Rng rng(options_.seed, RandomStream::mixing, static_cast<std::uint32_t>(epoch), static_cast<std::uint32_t>(batch));
    work.mix = draw_mix(options_.mix, work.batch.shape.height, rng);
  }
}

void BatchMaker::choose_images(BatchWork& work, std::span<const std::uint32_t> batch_of_all_ranks) const {
  const auto size = static_cast<std::int64_t>(batch_of_all_ranks.size());
  work.images.clear();
  work.partners.clear();
  for_each_share(size, [&](std::size_t first, std::size_t count) {
    const auto share = batch_of_all_ranks.subspan(first, count);
    work.images.insert(work.images.end(), share.begin(), share.end());
  });
  const std::size_t own = work.images.size();
  if (mixes()) choose_partners(work, batch_of_all_ranks);
  work.batch.size = static_cast<std::int64_t>(own);
  work.batch.size_of_all_ranks = size;
  work.batch.images = work.values.as<float>().first(own * work.batch.shape.bytes());
  work.batch.labels = std::span(work.labels).first(own);
  if (mixes()) work.batch.targets = std::span(work.targets).first(own * static_cast<std::size_t>(classes_));
}

void BatchMaker::choose_partners(BatchWork& work, std::span<const std::uint32_t> batch_of_all_ranks) const {
  const auto size = static_cast<std::int64_t>(batch_of_all_ranks.size());
  std::ranges::fill(work.own_places, -1);
  std::int32_t image = 0;
  for_each_share(size, [&](std::size_t first, std::size_t count) {
    for (std::size_t place = first; place < first + count; ++place) work.own_places[place] = image++;
  });
  for_each_share(size, [&](std::size_t first, std::size_t count) {
    for (std::size_t place = first; place < first + count; ++place) {
      const auto partner =
          static_cast<std::size_t>(mix_partner(options_.mix.variant, static_cast<std::int64_t>(place), size));
      if (work.own_places[partner] >= 0) {
        work.partners.push_back(static_cast<std::uint32_t>(work.own_places[partner]));
      } else {
        work.partners.push_back(static_cast<std::uint32_t>(work.images.size()));
        work.images.push_back(batch_of_all_ranks[partner]);
      }
    }
  });
}

std::span<std::uint8_t> BatchMaker::pixels(BatchWork& work, std::size_t image) const {
  const std::size_t elements = work.batch.shape.bytes();
  return std::span(work.pixels).subspan(image * elements, elements);
}

ImageKey BatchMaker::key(const BatchWork& work, std::size_t image) const {
  return {options_.seed, static_cast<std::uint32_t>(work.epoch), work.images[image]};
}

void BatchMaker::augment(BatchWork& work, std::size_t image, std::span<std::byte> scratch) const {
  assert(scratch.size() >= scratch_bytes());
  const std::uint32_t index = work.images[image];
  const std::span all(reinterpret_cast<std::uint8_t*>(scratch.data()), scratch.size());
  const std::size_t elements = image_shape().bytes();
  const std::span<const std::uint8_t> bytes = checked_image(dataset_, index, elements);
  work.image_labels[image] = checked_label(dataset_, index, classes_);
  if (work.reduction == nullptr) {
    pipeline_.augment(bytes, key(work, image), all, pixels(work, image));
    return;
  }
  const std::span<std::uint8_t> whole = all.first(elements);
  const std::span<std::uint8_t> working = all.subspan(elements);
  pipeline_.augment(bytes, key(work, image), working, whole);
  work.reduction->reduce(whole, working, pixels(work, image));
}

void BatchMaker::finish(BatchWork& work, std::size_t image, std::span<std::byte> scratch) const {
  assert(scratch.size() >= scratch_bytes());
  const ImageShape& shape = work.batch.shape;
  const std::size_t elements = shape.bytes();
  const std::span<float> out = work.values.as<float>().subspan(image * elements, elements);
  const ImageKey own = key(work, image);
  if (!mixes()) {
    pipeline_.normalise({shape, pixels(work, image)}, own, out);
    work.labels[image] = work.image_labels[image];
    return;
  }
  const std::size_t partner = work.partners[image];
  if (work.mix.kind == MixDraw::Kind::none) {
    pipeline_.normalise({shape, pixels(work, image)}, own, out);
  } else if (options_.mix.variant == MixVariant::timm) {
    const std::span mixed(reinterpret_cast<std::uint8_t*>(scratch.data()), elements);
    mix_pixels(work.mix, shape.height, pixels(work, image), pixels(work, partner), mixed);
    pipeline_.normalise({shape, mixed}, own, out);
  } else {
    const std::span other(reinterpret_cast<float*>(scratch.data()), elements);
    pipeline_.normalise({shape, pixels(work, image)}, own, out);
    pipeline_.normalise({shape, pixels(work, partner)}, key(work, partner), other);
    mix_values(work.mix, shape.height, out, other);
  }
  const auto classes = static_cast<std::size_t>(classes_);
  work.labels[image] = mix_targets(work.mix, work.image_labels[image], work.image_labels[partner],
                                   std::span(work.targets).subspan(image * classes, classes));
}

}  // namespace convmixer
