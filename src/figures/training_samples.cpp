#include "convmixer/figures/training_samples.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/data/loader.hpp"

#include <algorithm>
#include <cmath>
#include <span>

namespace convmixer {

namespace {

constexpr double kLeastShare = 0.01;  // of a mixed target that is worth a word: smoothing leaves less everywhere

std::vector<std::uint8_t> denormalised(std::span<const float> image, const Normalisation& normalisation) {
  std::vector<std::uint8_t> pixels(image.size());
  const std::size_t plane = image.size() / normalisation.mean.size();
  for (std::size_t i = 0; i < image.size(); ++i) {
    const std::size_t colour = i / plane;
    const float value = (image[i] * normalisation.std[colour] + normalisation.mean[colour]) * 255.0F;
    pixels[i] = static_cast<std::uint8_t>(std::lround(std::clamp(value, 0.0F, 255.0F)));
  }
  return pixels;
}

/// The class, or the two that have most of a mixed target.
std::vector<TargetShare> target_of(const Batch& batch, std::size_t index, std::size_t classes) {
  if (batch.targets.empty()) return {{.label = batch.labels[index], .share = 1.0}};
  const auto target = batch.targets.subspan(index * classes, classes);
  std::vector<TargetShare> shares;
  for (std::size_t i = 0; i < classes; ++i)
    if (target[i] >= kLeastShare) shares.push_back({static_cast<std::int32_t>(i), target[i]});
  std::ranges::stable_sort(shares, std::ranges::greater(), &TargetShare::share);
  if (shares.size() > 2) shares.resize(2);
  return shares;
}

}  // namespace

std::vector<TrainingSample> training_samples(std::int64_t count, std::int64_t epoch, const LoaderOptions& options,
                                             const Dataset& train, ThreadPool& pool) {
  LoaderOptions first_ones = options;
  first_ones.prefetch = 1;  // a batch or two are enough, and what they hold doesn't depend on it
  if (options.ranks > 1)
    fail_usage("training samples: found options of {} ranks, expected those of one process", options.ranks);
  const std::vector<std::uint32_t> order =
      options.shuffle ? epoch_order(train.size(), options.seed, epoch - 1) : std::vector<std::uint32_t>();
  Loader loader(train, first_ones, pool);
  loader.start(epoch - 1);
  std::vector<TrainingSample> samples;
  while (std::ssize(samples) < count) {
    const Batch* batch = loader.next();
    if (batch == nullptr) break;
    const std::size_t elements = batch->size == 0 ? 0 : batch->images.size() / static_cast<std::size_t>(batch->size);
    for (std::size_t i = 0; i < static_cast<std::size_t>(batch->size) && std::ssize(samples) < count; ++i) {
      const std::int64_t index = order.empty() ? std::ssize(samples) : order[samples.size()];
      const auto original = train.image(index);
      samples.push_back(
          {.index = index,
           .image = {.channels = batch->shape.channels,
                     .side = batch->shape.height,
                     .pixels = denormalised(batch->images.subspan(i * elements, elements), options.normalisation)},
           .original = {.channels = train.channels(),
                        .side = train.image_size(),
                        .pixels = {original.begin(), original.end()}},
           .target = target_of(*batch, i, train.class_names().size())});
    }
  }
  return samples;
}

}  // namespace convmixer
