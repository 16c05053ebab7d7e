// What the loader does to a batch's images, on one thread: no FLOP, but each value that is written counts as one.
#include "convmixer/core/error.hpp"
#include "convmixer/data/dataset_names.hpp"
#include "data/augment/image_pipeline.hpp"
#include "operation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace convmixer::perf {

namespace {

ImageShape image_shape(const ClassificationTask& task) { return {task.channels, task.image_size, task.image_size}; }

/// Images of a setting's batch, and a pipeline for them.
class ImageBatch {
 public:
  ImageBatch(const Setting& setting, const Augmentation& augmentation)
      : shape_(image_shape(task_of(setting.model))),
        pipeline_(augmentation, default_normalisation(kCifar10Dataset), shape_),
        bytes_(static_cast<std::size_t>(setting.batch) * shape_.bytes()),
        working_(pipeline_.working_bytes()),
        pixels_(shape_.bytes()),
        values_(bytes_.size()) {
    Rng rng(1, RandomStream::synthetic_data);
    std::ranges::generate(bytes_, [&] { return static_cast<std::uint8_t>(rng.below(256)); });
  }

  /// Every run is another epoch: other draws.
  void run() {
    ++epoch_;
    for (std::size_t n = 0; n < images(); ++n)
      augment(n, working_, std::span(values_).subspan(n * shape_.bytes(), shape_.bytes()));
  }

  /// That the last run's images are what each of them gives alone.
  void check() {
    std::vector<std::uint8_t> working(working_.size());
    std::vector<float> expected(shape_.bytes());
    for (std::size_t n = 0; n < images(); n += 7) {
      augment(n, working, expected);
      if (!std::equal(expected.begin(), expected.end(),
                      values_.begin() + static_cast<std::ptrdiff_t>(n * shape_.bytes())))
        fail("image {} of the batch differs from the same alone", n);
    }
  }

  [[nodiscard]] double values() const { return static_cast<double>(values_.size()); }

 private:
  [[nodiscard]] std::size_t images() const { return bytes_.size() / shape_.bytes(); }

  void augment(std::size_t n, std::span<std::uint8_t> working, std::span<float> out) {
    const ImageKey key{1, epoch_, static_cast<std::uint32_t>(n)};
    pipeline_.augment(std::span(bytes_).subspan(n * shape_.bytes(), shape_.bytes()), key, working, pixels_);
    pipeline_.normalise(pixels_, key, out);
  }

  ImageShape shape_;
  ImagePipeline pipeline_;
  std::vector<std::uint8_t> bytes_;
  std::vector<std::uint8_t> working_;
  std::vector<std::uint8_t> pixels_;
  std::vector<float> values_;
  std::uint32_t epoch_ = 0;
};

void prepare(Trial& trial, const Augmentation& augmentation) {
  const auto batch = std::make_shared<ImageBatch>(trial.setting(), augmentation);
  trial.run("pipeline", [batch] { batch->run(); });
  trial.count(batch->values(), Unit::vector);
  trial.count_bytes(batch->values() * (sizeof(std::uint8_t) + sizeof(float)));
  trial.expect([batch] { batch->check(); });
}

Augmentation resized_and_rand_augment() {
  return {.horizontal_flip = true,
          .resized_crop = {.scale_low = 0.75F, .scale_high = 1.0F, .ratio_low = 1.0F, .ratio_high = 1.0F},
          .rand_augment = {.operations = 2, .magnitude = 12}};
}

void pad_crop(Trial& trial) { prepare(trial, {.pad_crop = 4, .horizontal_flip = true}); }

void rand_augment(Trial& trial) { prepare(trial, resized_and_rand_augment()); }

void rand_augment_and_more(Trial& trial) {
  Augmentation augmentation = resized_and_rand_augment();
  augmentation.jitter = {0.2F, 0.2F, 0.2F};
  augmentation.erasing.probability = 0.2F;
  prepare(trial, augmentation);
}

void timm(Trial& trial) {
  using Filter = ResizedCropOptions::Filter;
  prepare(trial, {.horizontal_flip = true,
                  .resized_crop = {.scale_low = 0.75F, .scale_high = 1.0F, .filter = Filter::random},
                  .timm_augment = parse_timm_augment("rand-m9-mstd0.5-inc1").value(),
                  .erasing = {.probability = 0.25F, .fill = ErasingOptions::Fill::noise}});
}

/// The same in every precision.
}  // namespace

std::vector<Operation> image_operations() {
  return {
      {"pad-crop", "images", "pipeline", pad_crop, measured_once},
      {"resized crop, RandAugment", "images", "pipeline", rand_augment, measured_once},
      {"resized crop, RandAugment, jitter, erasing", "images", "pipeline", rand_augment_and_more, measured_once},
      {"timm's augmentation", "images", "pipeline", timm, measured_once},
  };
}

}  // namespace convmixer::perf
