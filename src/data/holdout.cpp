#include "convmixer/data/holdout.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/plural.hpp"
#include "convmixer/core/rng.hpp"
#include "data/subset.hpp"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace convmixer {
namespace {

/// By which the images of a class are taken: the least first.
std::uint64_t key_of(std::int64_t index, std::uint64_t seed) {
  Rng rng(seed, RandomStream::holdout, 0, static_cast<std::uint32_t>(index));
  const std::uint64_t high = rng.next();
  return high << 32 | rng.next();
}

std::vector<std::vector<std::int64_t>> indices_by_class(const Dataset& dataset) {
  std::vector<std::vector<std::int64_t>> result(dataset.class_names().size());
  for (std::int64_t i = 0; i < dataset.size(); ++i) {
    const std::int32_t label = checked_label(dataset, i, dataset.classes());
    result[static_cast<std::size_t>(label)].push_back(i);
  }
  return result;
}

}  // namespace

std::int64_t holdout_images(const HoldoutSize& size, std::int64_t images) {
  if (size.images < 0 || !(size.share >= 0.0 && size.share < 1.0) || (size.images > 0 && size.share > 0.0)) {
    fail_usage("holdout of {} images and a share of {}: expected a number of images, or a share below 1", size.images,
               size.share);
  }
  if (!size.is_on()) return 0;
  const std::int64_t share = std::llround(size.share * static_cast<double>(images));
  const std::int64_t count = size.images > 0 ? size.images : std::max<std::int64_t>(share, 1);
  if (count >= images) fail_usage("holdout of {} of {}: none is left to train on", count, counted(images, "image"));
  return count;
}

HoldoutSplit split_holdout(const Dataset& dataset, const HoldoutSize& size, std::uint64_t seed) {
  check_dataset(dataset);
  const std::int64_t count = holdout_images(size, dataset.size());
  std::vector<std::vector<std::int64_t>> of_class = indices_by_class(dataset);
  std::vector<std::int64_t> sizes;
  std::int64_t available = 0;
  for (const auto& indices : of_class) {
    sizes.push_back(std::ssize(indices));
    available += std::max<std::int64_t>(std::ssize(indices) - 1, 0);
  }
  if (count > available) {
    fail_usage("holdout of {} of {}: expected at most {}, so that one of each class is left to train on", count,
               counted(dataset.size(), "image"), available);
  }
  const std::vector<std::int64_t> shares = class_shares(sizes, count, ClassLeft::one_image);
  std::vector<bool> is_held_out(static_cast<std::size_t>(dataset.size()), false);
  for (std::size_t label = 0; label < of_class.size(); ++label) {
    std::ranges::sort(of_class[label], {}, [&](std::int64_t i) { return std::pair(key_of(i, seed), i); });
    of_class[label].resize(static_cast<std::size_t>(shares[label]));
    for (const std::int64_t i : of_class[label]) is_held_out[static_cast<std::size_t>(i)] = true;
  }
  std::vector<std::int64_t> train;
  std::vector<std::int64_t> holdout;
  for (std::int64_t i = 0; i < dataset.size(); ++i)
    (is_held_out[static_cast<std::size_t>(i)] ? holdout : train).push_back(i);
  return {images_at(dataset, std::move(train)), images_at(dataset, std::move(holdout))};
}

}  // namespace convmixer
