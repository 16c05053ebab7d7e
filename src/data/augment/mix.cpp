#include "data/augment/mix.hpp"

#include "data/augment/beta_distribution.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>

namespace convmixer {

namespace {

/// Nearest whole number, ties to even, for |value| < 2^22: the addition rounds, by the processor's usual mode. Unlike
/// std::rint compilers make SIMD code of it for every CPU.
float round_to_even(float value) {
  constexpr float kOneAndAHalfTimesTwoTo23 = 12582912.0F;
  return (value + kOneAndAHalfTimesTwoTo23) - kOneAndAHalfTimesTwoTo23;
}

/// Copies the box of every plane.
template <typename Value>
void copy_box(const Rectangle& box, int image_size, std::span<const Value> from, std::span<Value> to) {
  const auto size = static_cast<std::size_t>(image_size);
  const auto width = static_cast<std::size_t>(box.width);
  for (std::size_t plane = 0; plane < from.size(); plane += size * size) {
    for (int row = box.top; row < box.top + box.height; ++row) {
      const std::size_t begin = plane + static_cast<std::size_t>(row) * size + static_cast<std::size_t>(box.left);
      std::copy_n(from.data() + begin, width, to.data() + begin);
    }
  }
}

}  // namespace

MixDraw draw_mix(const MixOptions& options, int image_size, Rng& rng) {
  if (!options.is_on() || rng.uniform() >= options.probability) return {};
  const bool both = options.mixup > 0.0F && options.cutmix > 0.0F;
  const bool cut = both ? rng.uniform() < options.switch_probability : options.cutmix > 0.0F;
  const double share = draw_symmetric_beta(static_cast<double>(cut ? options.cutmix : options.mixup), rng);
  if (!cut) return {.kind = MixDraw::Kind::mixup, .share = share, .box = {}};
  const int row = static_cast<int>(rng.below(static_cast<std::uint32_t>(image_size)));
  const int column = static_cast<int>(rng.below(static_cast<std::uint32_t>(image_size)));
  return cutmix_around(share, image_size, row, column);
}

MixDraw cutmix_around(double share, int image_size, int row, int column) {
  // torchvision's int(0.5 * sqrt(1 - share) * size) and timm's int(size * sqrt(1 - share)) // 2 are the same number.
  const int half = static_cast<int>(0.5 * std::sqrt(1.0 - share) * image_size);
  MixDraw draw{.kind = MixDraw::Kind::cutmix, .share = 1.0, .box = {}};
  const int top = std::max(row - half, 0);
  const int left = std::max(column - half, 0);
  const int bottom = std::min(row + half, image_size);
  const int right = std::min(column + half, image_size);
  draw.box = {.top = top, .left = left, .height = bottom - top, .width = right - left};
  draw.share = 1.0 - draw.box.height * draw.box.width / static_cast<double>(image_size * image_size);
  return draw;
}

std::int64_t mix_partner(MixVariant variant, std::int64_t place, std::int64_t batch_size) {
  assert(place >= 0 && place < batch_size);
  if (variant == MixVariant::timm) return batch_size - 1 - place;
  return place == 0 ? batch_size - 1 : place - 1;
}

void mix_pixels(const MixDraw& draw, int image_size, std::span<const std::uint8_t> own,
                std::span<const std::uint8_t> partner, std::span<std::uint8_t> out) {
  assert(own.size() == partner.size() && own.size() == out.size());
  if (draw.kind == MixDraw::Kind::mixup) {
    const auto share = static_cast<float>(draw.share);
    const auto rest = static_cast<float>(1.0 - draw.share);
    for (std::size_t i = 0; i < own.size(); ++i) {
      const float mixed = static_cast<float>(own[i]) * share + static_cast<float>(partner[i]) * rest;
      out[i] = static_cast<std::uint8_t>(static_cast<int>(round_to_even(mixed)));
    }
    return;
  }
  std::ranges::copy(own, out.begin());
  if (draw.kind == MixDraw::Kind::cutmix) copy_box(draw.box, image_size, partner, out);
}

void mix_values(const MixDraw& draw, int image_size, std::span<float> own, std::span<const float> partner) {
  assert(own.size() == partner.size());
  if (draw.kind == MixDraw::Kind::cutmix) copy_box(draw.box, image_size, partner, own);
  if (draw.kind != MixDraw::Kind::mixup) return;
  const auto share = static_cast<float>(draw.share);
  const auto rest = static_cast<float>(1.0 - draw.share);
  for (std::size_t i = 0; i < own.size(); ++i) own[i] = partner[i] * rest + own[i] * share;
}

std::int32_t mix_targets(const MixDraw& draw, std::int32_t own, std::int32_t partner, std::span<float> target) {
  std::ranges::fill(target, 0.0F);
  target[static_cast<std::size_t>(partner)] = static_cast<float>(1.0 - draw.share);
  target[static_cast<std::size_t>(own)] += static_cast<float>(draw.share);
  return draw.share >= 0.5 ? own : partner;
}

}  // namespace convmixer
