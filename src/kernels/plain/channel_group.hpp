/// A group: sixteen channels of one image, what hand-written kernels work on at a time.
/// Sizes (group): see "Words" in HACKING.md.
#pragma once

#include "convmixer/core/precision.hpp"
#include "kernels/plain/tensor_view.hpp"

#include <cstddef>
#include <cstdint>

namespace convmixer::kernels {

/// Channels of a group, handled side by side: the lanes of one AVX-512 vector, or of two or four smaller ones.
inline constexpr std::size_t kGroup = 16;
/// What oneDNN's blocks hold on CPUs without AVX-512.
inline constexpr std::size_t kHalfGroup = 8;

/// How many channels lie side by side, or have padding in their place, from a group's or half a group's first on, with
/// `left` channels to the tensor's last: a group, half a group, or one.
[[nodiscard]] inline std::size_t channels_side_by_side(const TensorView& view, std::size_t left) {
  if (view.block != 0) return view.block;
  if (view.channel_stride != 1 || left < kHalfGroup) return 1;
  return left < kGroup ? kHalfGroup : kGroup;
}

[[nodiscard]] inline float to_float(float value) { return value; }
[[nodiscard]] inline float to_float(std::uint16_t bits) { return from_bf16(bits); }
inline void from_float(float value, float& out) { out = value; }
inline void from_float(float value, std::uint16_t& out) { out = to_bf16(value); }

}  // namespace convmixer::kernels
