#include "convmixer/train/image_size_schedule.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/model/image_size.hpp"
#include "convmixer/model/registry.hpp"

#include <string>

namespace convmixer {

std::vector<ImageSizeStretch> image_size_stretches(const TrainConfig& config) {
  return image_size_stretches(config.image_sizes, config.epochs);
}

void check_image_sizes(const TrainConfig& config, const ModelConfig& model) {
  if (config.image_sizes.empty()) return;
  (void)image_size_stretches(config);
  const std::string given = to_string(config.image_sizes);
  const int whole = task_of(model).image_size;
  const int step = entry_of(model).image_step(model);
  for (const ImageSizeShare& share : config.image_sizes) {
    const int size = share.image_size;
    if (size > whole)
      fail_usage("image-sizes = {}: {} pixels, expected at most the images' own {}", given, size, whole);
    // What a network leaves out at the border of its own size it may leave out.
    if (size != whole && size % step != 0) {
      fail_usage("image-sizes = {}: {} pixels, expected a multiple of {} for {}", given, size, step, describe(model));
    }
    const std::string weight = parameter_of_image_size(model, size);
    if (!weight.empty())
      fail_usage("image-sizes = {}: {} has a {} whose shape depends on the image's size, expected off", given,
                 entry_of(model).name, weight);
  }
  if (config.image_sizes.back().image_size != whole) {
    fail_usage("image-sizes = {}: it ends with {} pixels, expected the images' own {} at last, which tests are on",
               given, config.image_sizes.back().image_size, whole);
  }
}

}  // namespace convmixer
