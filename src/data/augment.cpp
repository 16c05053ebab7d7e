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

void augment_and_normalise(std::span<const std::uint8_t> image, int image_size, const Augmentation& augmentation,
                           const AugmentationDraw& draw, const Normaliser& normaliser, std::span<float> out) {
  const auto size = static_cast<std::ptrdiff_t>(image_size);
  assert(static_cast<std::ptrdiff_t>(image.size()) == normaliser.channels() * size * size);
  assert(out.size() == image.size());
  // Output pixel (y, x), before the flip, is source pixel (y + down, x + right).
  const std::ptrdiff_t down = augmentation.pad_crop > 0 ? draw.top - augmentation.pad_crop : 0;
  const std::ptrdiff_t right = augmentation.pad_crop > 0 ? draw.left - augmentation.pad_crop : 0;
  const std::ptrdiff_t first = std::clamp<std::ptrdiff_t>(-right, 0, size);  // columns [first, last) lie inside
  const std::ptrdiff_t last = std::clamp<std::ptrdiff_t>(size - right, first, size);

  const std::uint8_t* plane = image.data();
  float* row_out = out.data();
  for (int channel = 0; channel < normaliser.channels(); ++channel, plane += size * size) {
    const Normaliser::Table& table = normaliser.table(channel);
    for (std::ptrdiff_t y = 0; y < size; ++y, row_out += size) {
      if (y + down < 0 || y + down >= size) {
        std::fill_n(row_out, size, table[0]);
        continue;
      }
      std::fill_n(row_out, first, table[0]);
      const std::uint8_t* row = plane + (y + down) * size + right;
      for (std::ptrdiff_t x = first; x < last; ++x) row_out[x] = table[row[x]];
      std::fill_n(row_out + last, size - last, table[0]);
      if (draw.flip) std::reverse(row_out, row_out + size);
    }
  }
}

}  // namespace convmixer
