#include "convmixer/data/dataset.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/data/colour_statistics.hpp"
#include "convmixer/data/sources/cifar.hpp"
#include "convmixer/data/sources/packed.hpp"
#include "convmixer/data/sources/shapes.hpp"
#include "data/sources/cached_folder.hpp"

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

[[noreturn]] void fail_unknown(const std::string& name) {
  fail_usage("unknown data set '{}': expected auto, shapes, cifar10, cifar100, folder or packed", name);
}

std::unique_ptr<Dataset> open_whole(const DatasetOptions& options, Split split) {
  const std::string& name = options.name;
  if (name != "cifar10" && name != "cifar100" && name != "folder" && name != "packed") fail_unknown(name);
  if (options.path.empty()) fail_usage("data set '{}' needs its files: say where they are with --data", name);
  if (name == "cifar10") return open_cifar10(options.path, split);
  if (name == "cifar100") return open_cifar100(options.path, split);
  return name == "folder" ? open_image_folder(options, split) : open_packed(options.path, split);
}

}  // namespace

Normalisation Dataset::normalisation() const {
  ColourStatistics statistics(channels());
  for (std::int64_t i = 0; i < size(); ++i) statistics.add(image(i), image_size());
  return statistics.normalisation();
}

std::unique_ptr<Dataset> open_dataset(const DatasetOptions& options, Split split) {
  if (options.limit < 0) fail_usage("limit on images: found {}, expected 0 (none) or more", options.limit);
  if (options.name == "auto") {
    DatasetOptions recognised = options;
    recognised.name = recognise_dataset(options.path);
    return open_dataset(recognised, split);
  }
  if (options.name == "shapes") return make_shapes(split, options.limit);
  std::unique_ptr<Dataset> all = open_whole(options, split);
  if (options.limit == 0) return all;
  return std::make_unique<FirstImages>(std::move(all), options.limit);
}

Normalisation default_normalisation(const std::string& name) {
  if (name == "cifar10") return {{0.4914F, 0.4822F, 0.4465F}, {0.2471F, 0.2435F, 0.2616F}};
  if (name == "cifar100") return {{0.5071F, 0.4865F, 0.4409F}, {0.2673F, 0.2564F, 0.2762F}};
  if (name == "shapes") return {{0.4637F, 0.4258F, 0.4855F}, {0.2842F, 0.2772F, 0.2879F}};
  fail_unknown(name);
}

}  // namespace convmixer
