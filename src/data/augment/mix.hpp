/// Mixup and cutmix: every image of a batch is mixed with another of the same batch, its target in the same proportion.
///
/// mixup, https://arxiv.org/abs/1710.09412: share * own + (1 - share) * partner, with share ~ Beta(alpha, alpha).
/// cutmix, https://arxiv.org/abs/1905.04899: a box of the image shows the partner instead. Its sides are sqrt(1 -
/// share) of the image's, its centre is uniform, what sticks out is cut off, and share becomes the part of the image
/// that is left. A whole batch has one draw. Label smoothing is the loss's (model/loss.hpp); it commutes with mixing.
#pragma once

#include "convmixer/core/rng.hpp"
#include "convmixer/data/augment/mix_options.hpp"
#include "data/augment/resize.hpp"

#include <cstdint>
#include <span>

namespace convmixer {

/// What is done to the images of a batch.
struct MixDraw {
  enum class Kind { none, mixup, cutmix };
  Kind kind = Kind::none;
  double share = 1.0;  ///< of an image's own label in its target: lambda; cutmix: that of its own pixels
  Rectangle box;       ///< cutmix: what comes from the partner; may be empty
};

/// Draws for a batch of square images.
[[nodiscard]] MixDraw draw_mix(const MixOptions& options, int image_size, Rng& rng);

/// Cutmix with a box for `share` around a centre, 0 <= row, column < image_size.
[[nodiscard]] MixDraw cutmix_around(double share, int image_size, int row, int column);

/// The place of the image that the one at `place` is mixed with, in a batch of `batch_size`; in a batch of one, and for
/// timm in the middle of an odd one, the image itself.
[[nodiscard]] std::int64_t mix_partner(MixVariant variant, std::int64_t place, std::int64_t batch_size);

/// timm's mixing of (C, H, W) bytes, H = W = image_size, into `out`, which overlaps neither.
void mix_pixels(const MixDraw& draw, int image_size, std::span<const std::uint8_t> own,
                std::span<const std::uint8_t> partner, std::span<std::uint8_t> out);

/// torchvision's mixing of (C, H, W) f32 in place.
void mix_values(const MixDraw& draw, int image_size, std::span<float> own, std::span<const float> partner);

/// Writes the mixed target, a probability for every class, and returns the class that has most of it; of two equal ones
/// the image's own.
std::int32_t mix_targets(const MixDraw& draw, std::int32_t own, std::int32_t partner, std::span<float> target);

}  // namespace convmixer
