#include "convmixer/data/augment.hpp"

#include "convmixer/core/error.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace convmixer {

AugmentationDraw draw_augmentation(const Augmentation& augmentation, Rng& rng) {
  AugmentationDraw draw;
  if (augmentation.pad_crop > 0) {
    const std::uint32_t offsets = 2 * static_cast<std::uint32_t>(augmentation.pad_crop) + 1;
    draw.top = static_cast<int>(rng.below(offsets));
    draw.left = static_cast<int>(rng.below(offsets));
  }
  if (augmentation.horizontal_flip) draw.flip = rng.below(2) == 1;
  return draw;
}

Normaliser::Normaliser(const Normalisation& normalisation) : tables_(normalisation.mean.size()) {
  const std::vector<float>& mean = normalisation.mean;
  const std::vector<float>& deviation = normalisation.std;
  if (mean.empty() || mean.size() != deviation.size())
    fail_usage("normalisation: found {} means and {} standard deviations, expected one of each per channel",
               mean.size(), deviation.size());
  for (std::size_t channel = 0; channel < tables_.size(); ++channel) {
    if (!std::isfinite(mean[channel]))
      fail_usage("normalisation: mean {} of channel {} is not finite", mean[channel], channel);
    if (!std::isfinite(deviation[channel]) || deviation[channel] <= 0.0F)
      fail_usage("normalisation: standard deviation {} of channel {} is not positive", deviation[channel], channel);
    for (std::size_t pixel = 0; pixel < 256; ++pixel)
      tables_[channel][pixel] = (static_cast<float>(pixel) / 255.0F - mean[channel]) / deviation[channel];
  }
}

void augment_pixels(std::span<const std::uint8_t> image, int image_size, const Augmentation& augmentation,
                    const AugmentationDraw& draw, std::span<std::uint8_t> out) {
  const auto size = static_cast<std::ptrdiff_t>(image_size);
  assert(out.size() == image.size() && static_cast<std::ptrdiff_t>(image.size()) % (size * size) == 0);
  // Output pixel (y, x), before the flip, is source pixel (y + down, x + right).
  const std::ptrdiff_t down = augmentation.pad_crop > 0 ? draw.top - augmentation.pad_crop : 0;
  const std::ptrdiff_t right = augmentation.pad_crop > 0 ? draw.left - augmentation.pad_crop : 0;
  const std::ptrdiff_t first = std::clamp<std::ptrdiff_t>(-right, 0, size);  // columns [first, last) lie inside
  const std::ptrdiff_t last = std::clamp<std::ptrdiff_t>(size - right, first, size);

  std::uint8_t* row_out = out.data();
  for (const std::uint8_t* plane = image.data(); plane != image.data() + image.size(); plane += size * size) {
    for (std::ptrdiff_t y = 0; y < size; ++y, row_out += size) {
      if (y + down < 0 || y + down >= size) {
        std::fill_n(row_out, size, std::uint8_t{0});
        continue;
      }
      std::fill_n(row_out, first, std::uint8_t{0});
      std::copy_n(plane + (y + down) * size + right + first, last - first, row_out + first);
      std::fill_n(row_out + last, size - last, std::uint8_t{0});
      if (draw.flip) std::reverse(row_out, row_out + size);
    }
  }
}

void normalise_pixels(std::span<const std::uint8_t> image, const Normaliser& normaliser, std::span<float> out) {
  const std::size_t plane = image.size() / static_cast<std::size_t>(normaliser.channels());
  assert(out.size() == image.size() && plane * static_cast<std::size_t>(normaliser.channels()) == image.size());
  for (int channel = 0; channel < normaliser.channels(); ++channel) {
    const Normaliser::Table& table = normaliser.table(channel);
    const std::size_t begin = static_cast<std::size_t>(channel) * plane;
    for (std::size_t i = begin; i < begin + plane; ++i) out[i] = table[image[i]];
  }
}

}  // namespace convmixer
