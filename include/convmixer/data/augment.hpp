/// What a network sees of an image, in two stages: random crop and flip of its bytes in training, normalisation always.
#pragma once

#include "convmixer/core/rng.hpp"
#include "convmixer/data/dataset.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace convmixer {

struct Augmentation {
  int pad_crop = 0;              ///< zero border on each side, then a crop of the image's own size at random; 0 = off
  bool horizontal_flip = false;  ///< with probability 1/2
};

/// The random choices for one image. Offsets are those of the crop within the padded image, 0..2 * pad_crop.
struct AugmentationDraw {
  int top = 0;
  int left = 0;
  bool flip = false;
};

/// Draws in a fixed order (top, left, flip), each only if its augmentation is on.
[[nodiscard]] AugmentationDraw draw_augmentation(const Augmentation& augmentation, Rng& rng);

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

/// First stage of an image, bytes to bytes: crop, then flip. `image` and `out` are (C, H, W) bytes with
/// H = W = `image_size` and don't overlap. Padding is black, as torchvision.transforms.RandomCrop(padding=...) on PIL
/// images.
void augment_pixels(std::span<const std::uint8_t> image, int image_size, const Augmentation& augmentation,
                    const AugmentationDraw& draw, std::span<std::uint8_t> out);

/// Last stage of an image, bytes to normalised f32; both (C, H, W), C = normaliser.channels(). What mixes the images of
/// a batch comes in between (mix.hpp).
void normalise_pixels(std::span<const std::uint8_t> image, const Normaliser& normaliser, std::span<float> out);

}  // namespace convmixer
