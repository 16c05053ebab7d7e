// The order of packed depthwise filters, and of the sums for their gradients.
#include "kernels/fused/depthwise_filters.hpp"

#include "convmixer/core/precision.hpp"
#include "kernels/fused/stage_values.hpp"

#include <gtest/gtest.h>

#include <cstring>

namespace convmixer::kernels {
namespace {

using namespace testing_support;

/// Tap `column` of a packed row, which begins at `row`.
template <class Storage>
float packed_tap(const float* row, std::size_t column) {
  if constexpr (Storage::kValuesPerWord == 1) {
    return row[column * 16];
  } else {
    std::uint32_t pair = 0;
    std::memcpy(&pair, row + column / 2 * 16, sizeof pair);
    return from_bf16(static_cast<std::uint16_t>(column % 2 == 0 ? pair & 0xffffU : pair >> 16));
  }
}

template <class Storage>
void check_packing() {
  for (const std::size_t channels : std::initializer_list<std::size_t>{1, 16, 20, 32, 33, 80}) {
    for (const std::size_t kernel : std::initializer_list<std::size_t>{1, 2, 5, 11}) {
      const std::size_t taps = kernel * kernel;
      const std::size_t words = words_of<Storage>(kernel);
      const auto weights = random_values<float>(channels * taps, 1);
      for (const bool flipped : {false, true}) {
        auto result =
            untouched<float>(padded_channels(channels) / kChannelBlock * packed_depthwise_size<Storage>(kernel));
        pack_depthwise<Storage>(weights, channels, kernel, flipped, result);
        for (std::size_t c = 0; c < padded_channels(channels); ++c) {
          for (std::size_t y = 0; y < kernel; ++y) {
            for (std::size_t x = 0; x < words * Storage::kValuesPerWord; ++x) {
              const std::size_t from_y = flipped ? kernel - 1 - y : y;
              const std::size_t from_x = flipped ? kernel - 1 - x : x;
              const float tap = c < channels && x < kernel ? weights[c * taps + from_y * kernel + from_x] : 0.0F;
              const float expected = Storage::kValuesPerWord == 1 ? tap : from_bf16(to_bf16(tap));
              const float* const row = result.data() + (c / 16 * kernel + y) * words * 16 + c % 16;
              ASSERT_EQ(packed_tap<Storage>(row, x), expected)
                  << channels << " channels, kernel " << kernel << ", channel " << c << ", tap " << y << ", " << x;
            }
          }
        }
      }
    }
  }
}

TEST(DepthwiseFilters, ArePackedByBlockGroupTapAndChannelInF32) { check_packing<F32Storage>(); }
TEST(DepthwiseFilters, ArePackedByBlockGroupWordOfTapsAndChannelInBf16) { check_packing<Bf16Storage>(); }

TEST(DepthwiseFilters, HaveTheSumOfAllTasksGradients) {
  for (const std::size_t channels : std::initializer_list<std::size_t>{1, 16, 20, 32, 33, 80}) {
    for (const std::size_t kernel : std::initializer_list<std::size_t>{1, 2, 5}) {
      for (const std::size_t tasks : std::initializer_list<std::size_t>{1, 3}) {
        const std::size_t taps = kernel * kernel;
        const std::size_t task_size = padded_channels(channels) / kChannelBlock * depthwise_sums_size(kernel);
        const auto sums = random_values<float>(tasks * task_size, 1);
        const Values<double> in_double(sums.begin(), sums.end());
        auto diff_weights = untouched<float>(channels * taps);
        auto diff_bias = untouched<float>(channels);
        unpack_depthwise_gradient(in_double, tasks, channels, kernel, diff_weights, diff_bias);
        for (std::size_t c = 0; c < channels; ++c) {
          for (std::size_t tap = 0; tap <= taps; ++tap) {
            double expected = 0.0;
            for (std::size_t task = 0; task < tasks; ++task) {
              expected += in_double[task * task_size + (c / 16 * (taps + 1) + tap) * 16 + c % 16];
            }
            ASSERT_EQ(tap < taps ? diff_weights[c * taps + tap] : diff_bias[c], static_cast<float>(expected))
                << channels << " channels, kernel " << kernel << ", channel " << c << ", tap " << tap;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace convmixer::kernels
