#include "kernels/fused/depthwise_filters.hpp"

#include "convmixer/core/precision.hpp"
#include "kernels/plain/channel_group.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

namespace convmixer::kernels {

namespace {

/// Writes one word, of two taps if they are bf16.
template <class Storage, typename Tap>
void put_word(std::size_t word, const Tap& tap, float* to) {
  if constexpr (Storage::kValuesPerWord == 1) {
    *to = tap(word);
  } else {
    const std::uint32_t pair = to_bf16(tap(2 * word)) | std::uint32_t{to_bf16(tap(2 * word + 1))} << 16;
    std::memcpy(to, &pair, sizeof pair);
  }
}

}  // namespace

template <class Storage>
void pack_depthwise(std::span<const float> weights, std::size_t channels, std::size_t kernel, bool flipped,
                    std::span<float> packed) {
  const std::size_t taps = kernel * kernel;
  const std::size_t row_words = words_of<Storage>(kernel);
  for (std::size_t c = 0; c < padded_channels(channels); ++c) {
    float* to = packed.data() + c / kGroup * kernel * row_words * kGroup + c % kGroup;
    for (std::size_t row = 0; row < kernel; ++row) {
      const auto tap = [&](std::size_t column) {
        const std::size_t index = row * kernel + column;
        return c < channels && column < kernel ? weights[c * taps + (flipped ? taps - 1 - index : index)] : 0.0F;
      };
      for (std::size_t word = 0; word < row_words; ++word, to += kGroup) put_word<Storage>(word, tap, to);
    }
  }
}
template void pack_depthwise<F32Storage>(std::span<const float>, std::size_t, std::size_t, bool, std::span<float>);
template void pack_depthwise<Bf16Storage>(std::span<const float>, std::size_t, std::size_t, bool, std::span<float>);

void unpack_depthwise_gradient(std::span<const double> sums, std::size_t tasks, std::size_t channels,
                               std::size_t kernel, std::span<float> diff_weights, std::span<float> diff_bias) {
  const std::size_t taps = kernel * kernel;
  const std::size_t task_size = padded_channels(channels) / kChannelBlock * depthwise_sums_size(kernel);
  for (std::size_t first = 0; first < channels; first += kGroup) {
    for (std::size_t tap = 0; tap <= taps; ++tap) {
      const double* const from = sums.data() + (first / kGroup * (taps + 1) + tap) * kGroup;
      std::array<double, kGroup> all{};
      for (std::size_t task = 0; task < tasks; ++task) {
        for (std::size_t lane = 0; lane < kGroup; ++lane) all[lane] += from[task * task_size + lane];
      }
      for (std::size_t c = first; c < std::min(channels, first + kGroup); ++c) {
        (tap < taps ? diff_weights[c * taps + tap] : diff_bias[c]) = static_cast<float>(all[c - first]);
      }
    }
  }
}

}  // namespace convmixer::kernels
