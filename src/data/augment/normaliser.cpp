#include "data/augment/normaliser.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/plural.hpp"

#include <cassert>
#include <cmath>

namespace convmixer {

Normaliser::Normaliser(const Normalisation& normalisation) : tables_(normalisation.mean.size()) {
  const std::vector<float>& mean = normalisation.mean;
  const std::vector<float>& deviation = normalisation.std;
  if (mean.empty() || mean.size() != deviation.size())
    fail_usage("normalisation: found {} and {}, expected one of each per channel", counted(mean.size(), "mean"),
               counted(deviation.size(), "standard deviation"));
  for (std::size_t channel = 0; channel < tables_.size(); ++channel) {
    if (!std::isfinite(mean[channel]))
      fail_usage("normalisation: mean {} of channel {} is not finite", mean[channel], channel);
    if (!std::isfinite(deviation[channel]) || deviation[channel] <= 0.0F)
      fail_usage("normalisation: standard deviation {} of channel {} is not positive", deviation[channel], channel);
    for (std::size_t pixel = 0; pixel < 256; ++pixel)
      tables_[channel][pixel] = (static_cast<float>(pixel) / 255.0F - mean[channel]) / deviation[channel];
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
