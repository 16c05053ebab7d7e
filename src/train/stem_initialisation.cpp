#include "train/stem_initialisation.hpp"

#include "convmixer/core/plural.hpp"
#include "convmixer/model/stem_whitening.hpp"
#include "data/augment/normaliser.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace convmixer {

std::int64_t images_to_measure(std::int64_t images, std::int64_t patches_per_image, std::int64_t values_per_patch) {
  constexpr std::int64_t kImages = 5000;
  constexpr std::int64_t kMultiplyAdds = 8'000'000'000;
  const std::int64_t for_an_image =
      std::max<std::int64_t>(1, patches_per_image * values_per_patch * values_per_patch / 2);
  return std::clamp<std::int64_t>(kMultiplyAdds / for_an_image, 1, std::min(kImages, images));
}

std::string whiten_stem(const TrainConfig& config, const Dataset& train, Parameters& parameters) {
  PatchStatistics patches(parameters.graph());
  const Normaliser normaliser({config.mean, config.std});
  const std::size_t bytes = image_bytes(train);
  std::vector<float> image(bytes);
  const std::int64_t count =
      images_to_measure(train.size(), patches.patches_per_image(), static_cast<std::int64_t>(patches.values()));
  for (std::int64_t i = 0; i < count; ++i) {
    normalise_pixels(checked_image(train, i * train.size() / count, bytes), normaliser, image);
    patches.add(image);
  }
  whiten_stem(parameters, patches, config.seed);
  return fmt::format("stem whitened by {} patches of {}", patches.patches(), counted(count, "training image"));
}

}  // namespace convmixer
