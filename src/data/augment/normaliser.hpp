/// Bytes to normalised values, which every image becomes in the end.
#pragma once

#include "convmixer/data/normalisation.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace convmixer {

/// (pixel / 255 - mean) / std for every byte value and channel, computed once, each operation rounded to f32 as
/// torchvision's ToTensor and Normalize do.
class Normaliser {
 public:
  using Table = std::array<float, 256>;

  /// One mean and one std per channel. Throws Error for no channel, another number of stds than means, or a std that
  /// is not positive and finite.
  explicit Normaliser(const Normalisation& normalisation);

  [[nodiscard]] int channels() const { return static_cast<int>(tables_.size()); }
  /// The normalised value of every byte value in a channel.
  [[nodiscard]] const Table& table(int channel) const { return tables_[static_cast<std::size_t>(channel)]; }

 private:
  std::vector<Table> tables_;
};

/// Bytes to normalised f32; both (C, H, W), C = normaliser.channels().
void normalise_pixels(std::span<const std::uint8_t> image, const Normaliser& normaliser, std::span<float> out);

}  // namespace convmixer
