#include "convmixer/data/open_dataset.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/data/sources/cifar.hpp"
#include "convmixer/data/sources/packed.hpp"
#include "convmixer/data/sources/shapes.hpp"
#include "data/sources/cached_folder.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <cassert>
#include <utility>

namespace convmixer {

namespace {

/// The first images of another data set.
class FirstImages : public Dataset {
 public:
  FirstImages(std::unique_ptr<Dataset> all, std::int64_t limit)
      : all_(std::move(all)), size_(std::min(limit, all_->size())) {}

  [[nodiscard]] std::int64_t size() const override { return size_; }
  [[nodiscard]] int channels() const override { return all_->channels(); }
  [[nodiscard]] int image_size() const override { return all_->image_size(); }
  [[nodiscard]] const std::vector<std::string>& class_names() const override { return all_->class_names(); }
  [[nodiscard]] std::span<const std::uint8_t> image(std::int64_t index) const override {
    assert(index < size_);
    return all_->image(index);
  }
  [[nodiscard]] std::int32_t label(std::int64_t index) const override {
    assert(index < size_);
    return all_->label(index);
  }
  [[nodiscard]] Normalisation normalisation() const override { return all_->normalisation(); }

 private:
  std::unique_ptr<Dataset> all_;
  std::int64_t size_;
};

std::unique_ptr<Dataset> open_files(const DatasetOptions& options, Split split) {
  const std::string& name = options.name;
  if (std::ranges::find(kDatasetNames, name) == kDatasetNames.end())
    fail_usage("unknown data set '{}': expected one of {}", name, fmt::join(kDatasetNames, ", "));
  if (options.path.empty()) fail_usage("data set '{}' needs its files: say where they are with --data", name);
  const CifarOptions cifar{.allow_partial = options.allow_partial, .note = options.note};
  if (name == kCifar10Dataset) return open_cifar10(options.path, split, cifar);
  if (name == kCifar100Dataset) return open_cifar100(options.path, split, cifar);
  return name == kFolderDataset ? open_image_folder(options, split) : open_packed(options.path, split);
}

}  // namespace

std::unique_ptr<Dataset> open_dataset(const DatasetOptions& options, Split split) {
  if (options.limit < 0) fail_usage("limit on images: found {}, expected 0 (none) or more", options.limit);
  if (options.image_size < 0 || options.image_size > kLargestImageSize)
    fail_usage("image size: found {}, expected 1 to {}, or 0 for that of the images", options.image_size,
               kLargestImageSize);
  if (options.name == kAutoDataset) {
    DatasetOptions recognised = options;
    recognised.name = recognise_dataset(options.path);
    return open_dataset(recognised, split);
  }
  if (options.name == kShapesDataset) return make_shapes(split, options.limit);
  std::unique_ptr<Dataset> all = open_files(options, split);
  if (options.limit == 0) return all;
  return std::make_unique<FirstImages>(std::move(all), options.limit);
}

}  // namespace convmixer
