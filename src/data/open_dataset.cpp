#include "convmixer/data/open_dataset.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/printable.hpp"
#include "convmixer/data/sources/cifar.hpp"
#include "convmixer/data/sources/packed.hpp"
#include "convmixer/data/sources/shapes.hpp"
#include "data/sources/cached_folder.hpp"
#include "data/sources/left_out.hpp"
#include "data/subset.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

namespace convmixer {

namespace {

constexpr std::size_t kMostEmptyNamed = 10;

std::unique_ptr<Dataset> open_files(const DatasetOptions& options, Split split) {
  const std::string& name = options.name;
  if (std::ranges::find(kDatasetNames, name) == kDatasetNames.end())
    fail_usage("unknown data set '{}': expected one of {}", name, fmt::join(kDatasetNames, ", "));
  if (options.path.empty()) fail_usage("data set '{}' needs its files: say where they are with --data", name);
  const CifarOptions cifar{.allow_partial = options.allow_partial, .note = options.note};
  if (name == kCifar10Dataset) return open_cifar10(options.path, split, cifar);
  if (name == kCifar100Dataset) return open_cifar100(options.path, split, cifar);
  if (name == kCifar100CoarseDataset) return open_cifar100_coarse(options.path, split, cifar);
  if (name == kFolderDataset) return open_image_folder(options, split);
  std::unique_ptr<Dataset> packed = open_packed(options.path, split);
  note_left_out(options, *packed);
  return packed;
}

void note_empty_classes(const Dataset& dataset, const std::function<void(const std::string&)>& note) {
  std::vector<bool> seen(dataset.class_names().size(), false);
  for (std::int64_t i = 0; i < dataset.size(); ++i) seen[static_cast<std::size_t>(dataset.label(i))] = true;
  std::vector<std::string> empty;
  for (std::size_t label = 0; label < seen.size(); ++label)
    if (!seen[label]) empty.push_back(printable(dataset.class_names()[label]));
  if (empty.empty()) return;
  const std::size_t count = empty.size();
  if (count > kMostEmptyNamed) {
    empty.resize(kMostEmptyNamed);
    empty.emplace_back("...");
  }
  note(fmt::format("{} of {} classes have no training images: {}", count, seen.size(), fmt::join(empty, ", ")));
}

}  // namespace

std::unique_ptr<Dataset> open_dataset(const DatasetOptions& options, Split split) {
  if (options.limit < 0) fail_usage("limit on images: found {}, expected 0 (none) or more", options.limit);
  if (options.image_size < 0 || options.image_size > kLargestImageSize)
    fail_usage("image size: found {}, expected 1 to {}, or 0 for that of the images", options.image_size,
               kLargestImageSize);
  if (options.name == kAutoDataset) {
    DatasetOptions recognised = options;
    recognised.name = recognise_dataset(options);
    return open_dataset(recognised, split);
  }
  std::unique_ptr<Dataset> dataset;
  if (options.name == kShapesDataset) {
    if (!options.path.empty())
      fail_usage("data set 'shapes' is drawn, not read: found --data {}; dataset = auto takes what is there",
                 options.path.string());
    dataset = make_shapes(split, options.limit);
  } else {
    dataset = open_files(options, split);
    const bool is_by_class = options.name == kFolderDataset || options.name == kPackedDataset;
    if (options.limit > 0 && options.limit < dataset->size())
      dataset = is_by_class ? share_of_each_class(std::move(dataset), options.limit)
                            : first_images(std::move(dataset), options.limit);
  }
  if (options.note && split == Split::train) note_empty_classes(*dataset, options.note);
  return dataset;
}

}  // namespace convmixer
