/// A small data set whose images are known by their labels, and what its loaders give.
#pragma once

#include "convmixer/data/loader.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <iterator>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace convmixer {

inline constexpr int kImageSize = 6;
inline constexpr std::size_t kImageBytes = 3 * kImageSize * kImageSize;

/// Image i: label i, pixels that depend on i and their place.
class Numbered : public Dataset {
 public:
  explicit Numbered(std::int64_t size)
      : class_names_(static_cast<std::size_t>(size), "x"), pixels_(static_cast<std::size_t>(size) * kImageBytes) {
    for (std::size_t j = 0; j < pixels_.size(); ++j) pixels_[j] = static_cast<std::uint8_t>(j * 7 + j / kImageBytes);
  }

  [[nodiscard]] std::int64_t size() const override { return static_cast<std::int64_t>(class_names_.size()); }
  [[nodiscard]] int channels() const override { return 3; }
  [[nodiscard]] int image_size() const override { return kImageSize; }
  [[nodiscard]] const std::vector<std::string>& class_names() const override { return class_names_; }
  [[nodiscard]] std::span<const std::uint8_t> image(std::int64_t index) const override {
    reads.fetch_add(1, std::memory_order_relaxed);
    std::this_thread::sleep_for(delay);
    if (index == broken) throw std::runtime_error("image can't be read");
    return std::span(pixels_).subspan(static_cast<std::size_t>(index) * kImageBytes, kImageBytes);
  }
  [[nodiscard]] std::int32_t label(std::int64_t index) const override {
    return index == mislabelled ? wrong_label : static_cast<std::int32_t>(index);
  }

  std::int64_t broken = -1;
  std::int64_t mislabelled = -1;
  std::int32_t wrong_label = -1;
  std::chrono::microseconds delay{0};
  mutable std::atomic<int> reads = 0;

 private:
  std::vector<std::string> class_names_;
  std::vector<std::uint8_t> pixels_;
};

inline LoaderOptions training_options() {
  LoaderOptions options;
  options.batch_size = 8;
  options.shuffle = true;
  options.seed = 42;
  options.augmentation = {.pad_crop = 2, .horizontal_flip = true};
  options.normalisation = {{0.4F, 0.5F, 0.6F}, {0.2F, 0.25F, 0.3F}};
  return options;
}

inline LoaderOptions plain_options() {
  LoaderOptions options = training_options();
  options.shuffle = false;
  options.augmentation = {};
  return options;
}

struct BatchCopy {
  std::vector<float> images;
  std::vector<std::int32_t> labels;
  std::vector<float> targets;

  friend bool operator==(const BatchCopy&, const BatchCopy&) = default;
};

/// What is left of the epoch.
inline std::vector<BatchCopy> rest_of_epoch(Loader& loader) {
  std::vector<BatchCopy> batches;
  while (const Batch* batch = loader.next()) {
    EXPECT_EQ(batch->size, static_cast<std::int64_t>(batch->labels.size()));
    batches.push_back({{batch->images.begin(), batch->images.end()},
                       {batch->labels.begin(), batch->labels.end()},
                       {batch->targets.begin(), batch->targets.end()}});
  }
  return batches;
}

inline std::vector<BatchCopy> epochs(Loader& loader, std::int64_t first, std::int64_t count) {
  std::vector<BatchCopy> batches;
  for (std::int64_t epoch = first; epoch < first + count; ++epoch) {
    loader.start(epoch);
    std::ranges::move(rest_of_epoch(loader), std::back_inserter(batches));
  }
  return batches;
}

inline std::vector<std::int32_t> labels_of(const std::vector<BatchCopy>& batches) {
  std::vector<std::int32_t> labels;
  for (const BatchCopy& batch : batches) labels.insert(labels.end(), batch.labels.begin(), batch.labels.end());
  return labels;
}

inline void wait_until_reads(const Numbered& dataset, int reads) {
  for (int i = 0; i < 5'000 && dataset.reads.load() < reads; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

}  // namespace convmixer
