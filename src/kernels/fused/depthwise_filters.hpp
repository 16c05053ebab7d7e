/// A depthwise convolution's filters as its kernels read them, and the sums for their gradients as they write them.
///
/// Both are ordered by channel block, then by group of 16 channels, whose values lie side by side:
///
///     packed filters   (channel block, group, row, word of the row, channel)   a row of 5 in bf16: t0 t1 | t2 t3 | t4
///     gradient sums    (channel block, group, tap, channel)                    the last "tap" is the bias
///
/// Channels that pad the last channel block have filters of 0.
/// Sizes (channel block, group, word): see "Words" in HACKING.md.
#pragma once

#include "kernels/fused/stage_storage.hpp"

#include <cstddef>
#include <span>

namespace convmixer::kernels {

/// Words of one channel block's packed filters.
template <class Storage>
[[nodiscard]] constexpr std::size_t packed_depthwise_size(std::size_t kernel) {
  return kChannelBlock * kernel * words_of<Storage>(kernel);
}
/// Doubles of one channel block's gradient sums.
[[nodiscard]] constexpr std::size_t depthwise_sums_size(std::size_t kernel) {
  return kChannelBlock * (kernel * kernel + 1);
}

/// Packs `weights`, (C, 1, k, k); `flipped` in both directions, as the data gradient needs them.
template <class Storage>
void pack_depthwise(std::span<const float> weights, std::size_t channels, std::size_t kernel, bool flipped,
                    std::span<float> packed);

/// Adds up the gradient sums of `tasks` tasks, one after the other, as (C, 1, k, k) and (C).
void unpack_depthwise_gradient(std::span<const double> sums, std::size_t tasks, std::size_t channels,
                               std::size_t kernel, std::span<float> diff_weights, std::span<float> diff_bias);

}  // namespace convmixer::kernels
