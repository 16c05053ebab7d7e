/// What a network sees of an image: how it is augmented in training, and how that is done.
#pragma once

#include "convmixer/core/rng.hpp"
#include "convmixer/data/augment/augmentation.hpp"
#include "convmixer/data/normalisation.hpp"
#include "data/augment/affine.hpp"
#include "data/augment/crop.hpp"
#include "data/augment/erasing.hpp"
#include "data/augment/image.hpp"
#include "data/augment/jitter.hpp"
#include "data/augment/normaliser.hpp"
#include "data/augment/rand_augment.hpp"
#include "data/augment/timm_augment.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace convmixer {

/// Which image of which epoch: with the seed it decides all that is drawn.
struct ImageKey {
  std::uint64_t seed = 0;
  std::uint32_t epoch = 0;
  std::uint32_t index = 0;
};

/// Augments and normalises images of one shape. Immutable: any number of threads may use it. What becomes of an image
/// is a function of its key and its bytes alone.
class ImagePipeline {
 public:
  /// Throws Error (usage) as check_augmentation and Normaliser do.
  ImagePipeline(const Augmentation& augmentation, const Normalisation& normalisation, const ImageShape& shape);

  [[nodiscard]] const ImageShape& shape() const noexcept { return shape_; }

  /// Bytes of working memory that augment() needs.
  [[nodiscard]] std::size_t working_bytes() const noexcept { return shape_.bytes() + resize_bytes_; }

  /// The first part, bytes to bytes: crop, flip, the policy's operations, jitter. `image` and `out` are (C, H, W) and
  /// don't overlap.
  void augment(std::span<const std::uint8_t> image, const ImageKey& key, std::span<std::uint8_t> working,
               std::span<std::uint8_t> out) const;

  /// The last part, bytes to f32, both (C, H, W): normalised, then partly erased. The bytes of a batch's images are
  /// reduced and mixed in between.
  void normalise(std::span<const std::uint8_t> image, const ImageKey& key, std::span<float> out) const {
    normalise({shape_, image}, key, out);
  }
  /// The same for an image that was reduced (reduction.hpp): what is erased has the same share of it, cutout's square
  /// too.
  void normalise(const ConstImage& image, const ImageKey& key, std::span<float> out) const;

 private:
  /// The part of the image that is seen: of the image's own size, or resized to it.
  struct CropDraw {
    Rectangle part;
    ResizeFilter filter = ResizeFilter::bilinear;
    bool flip = false;
  };

  [[nodiscard]] CropDraw draw_crop(const ImageKey& key, Rng& rng) const;
  void apply(const CropDraw& draw, const ConstImage& image, std::span<std::uint8_t> working, const Image& out) const;

  Augmentation augmentation_;
  ImageShape shape_;
  Normaliser normaliser_;
  std::optional<RandAugment> rand_augment_;
  std::optional<TimmAugment> timm_augment_;
  std::vector<std::uint8_t> black_;
  std::vector<std::uint8_t> mean_colour_;
  std::size_t resize_bytes_ = 0;
  /// From every size that a crop may have to the image's own, for each filter that is used: by length - 1, for heights,
  /// then for widths unless they are the same.
  std::array<std::vector<ResizeWeights>, 2> weights_;
};

}  // namespace convmixer
