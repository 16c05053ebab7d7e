/// A group: sixteen channels of one image, what hand-written kernels work on at a time.
/// Sizes (group): see "Words" in HACKING.md.
#pragma once

#include "convmixer/core/precision.hpp"
#include "kernels/plain/tensor_view.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace convmixer::kernels {

/// Channels of a group, handled side by side: the lanes of one AVX-512 vector, or of two or four smaller ones.
inline constexpr std::size_t kGroup = 16;

/// Up to 16 channels of one image: where they are, and whether vector kernels can read them.
struct ChannelGroup {
  std::int64_t first;  ///< channel
  std::size_t count;   ///< channels, 1 to 16
  std::size_t at;      ///< offset of the first channel's first pixel
  bool whole;          ///< 16 channels side by side, or padding in their place
};

/// The group that begins at channel `first`, a multiple of 16.
[[nodiscard]] inline ChannelGroup channel_group(const TensorView& view, std::int64_t image, std::int64_t first) {
  const std::size_t count = std::min(kGroup, static_cast<std::size_t>(view.channels - first));
  const bool whole = view.block == kGroup || (view.block == 0 && view.channel_stride == 1 && count == kGroup);
  return {first, count, view.offset(image, first), whole};
}

[[nodiscard]] inline float to_float(float value) { return value; }
[[nodiscard]] inline float to_float(std::uint16_t bits) { return from_bf16(bits); }
inline void from_float(float value, float& out) { out = value; }
inline void from_float(float value, std::uint16_t& out) { out = to_bf16(value); }

}  // namespace convmixer::kernels
