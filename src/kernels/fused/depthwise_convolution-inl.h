// The convolution of a padded image of 16 channels with their filters; included once for each instruction set.
// Sizes (channel block, group, word): see "Words" in HACKING.md.
#if defined(CONVMIXER_KERNELS_DEPTHWISE_CONVOLUTION_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CONVMIXER_KERNELS_DEPTHWISE_CONVOLUTION_INL_H
#undef CONVMIXER_KERNELS_DEPTHWISE_CONVOLUTION_INL_H
#else
#define CONVMIXER_KERNELS_DEPTHWISE_CONVOLUTION_INL_H
#endif

#include "kernels/fused/depthwise_filters.hpp"
#include "kernels/fused/depthwise_scratch.hpp"
#include "kernels/fused/next_channel_block-inl.h"
#include "kernels/fused/stage_word-inl.h"
#include "kernels/plain/channel_group.hpp"
#include "kernels/plain/kernel_columns-inl.h"

#include <array>
#include <cstddef>

HWY_BEFORE_NAMESPACE();
namespace convmixer::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Pixels of a row computed at once, each in a register: with a row of taps and one input they fill the registers. Two
/// multiply-adds a cycle that take four cycles each need eight of them at least.
constexpr std::size_t kPixelsAtOnce = HWY_TARGET <= HWY_AVX3 ? 16 : 8;

/// One pass over an image of one group of 16 channels, with all rows and some columns of the filter:
///
///     dst[y][x] = bias + sum over rows i, columns j of taps[i][j] padded[y + i][x + j]
///
/// `padded` and `filters` point to the words of the pass's first column; with `bias` null, dst is added to.
struct ConvolutionPass {
  const float* padded;
  std::size_t padded_width;
  std::size_t height;
  std::size_t width;
  std::size_t filter_rows;
  const float* filters;
  std::size_t filter_row_words;  // of the whole filter
  const float* bias;
  float* dst;
};

/// Adds one row of taps to `kPixels` pixels side by side. Each word of the row is loaded once, and multiplied for all
/// pixels that see it. For two words of taps, t0 t1 | t2 t3 in bf16:
///
///     words of the row     w0     w1     w2     w3    ...       w[x] is pixels x, x + 1
///     sums[0] +=          w0 t01        w2 t23
///     sums[1] +=                 w1 t01        w3 t23
template <class Storage, std::size_t kPixels, std::size_t kTapWords>
HWY_INLINE void add_tap_row(const float* words, const float* filter, WordVector (&sums)[kPixels]) {
  const WordFloats d;
  constexpr std::size_t kStep = Storage::kValuesPerWord;  // columns from one word of taps to the next
  WordVector taps[kTapWords];
  HWY_UNROLL(9)
  for (std::size_t j = 0; j < kTapWords; ++j) taps[j] = hn::LoadU(d, filter + j * kGroup);
  HWY_UNROLL(24)
  for (std::size_t column = 0; column < kPixels + kStep * (kTapWords - 1); ++column) {
    const WordVector word = hn::LoadU(d, words + column * kGroup);
    HWY_UNROLL(9)
    for (std::size_t j = 0; j < kTapWords; ++j) {
      if (column >= kStep * j && column - kStep * j < kPixels) {
        sums[column - kStep * j] = multiply_add_words<Storage>(word, taps[j], sums[column - kStep * j]);
      }
    }
  }
}

/// `kPixels` pixels of a row, of which `wanted` are stored: those beyond the row's end are nonsense.
template <class Storage, std::size_t kPixels, std::size_t kTapWords>
HWY_INLINE void convolve_pixels(const ConvolutionPass& pass, const float* padded, float* dst, std::size_t lane,
                                std::size_t wanted) {
  const WordFloats d;
  WordVector sums[kPixels];
  if (pass.bias != nullptr) {
    const WordVector bias = hn::LoadU(d, pass.bias + lane);
    HWY_UNROLL(16)
    for (std::size_t i = 0; i < kPixels; ++i) sums[i] = bias;
  } else {
    HWY_UNROLL(16)
    for (std::size_t i = 0; i < kPixels; ++i) sums[i] = hn::LoadU(d, dst + i * kGroup);
  }
  const float* filter = pass.filters + lane;
  for (std::size_t row = 0; row < pass.filter_rows; ++row) {
    add_tap_row<Storage, kPixels, kTapWords>(padded, filter, sums);
    padded += pass.padded_width * kGroup;
    filter += pass.filter_row_words * kGroup;
  }
  HWY_UNROLL(16)
  for (std::size_t i = 0; i < kPixels; ++i) {
    if (i < wanted) hn::StoreU(sums[i], d, dst + i * kGroup);
  }
}

/// A row of pixels: as many at once as there are registers for, then a half or a quarter of that.
template <class Storage, std::size_t kTapWords>
HWY_INLINE void convolve_row(const ConvolutionPass& pass, const float* padded, float* dst, std::size_t lane) {
  for (std::size_t x = 0; x < pass.width;) {
    const std::size_t left = pass.width - x;
    const float* const from = padded + x * kGroup;
    float* const to = dst + x * kGroup;
    if (left > kPixelsAtOnce / 2) {
      convolve_pixels<Storage, kPixelsAtOnce, kTapWords>(pass, from, to, lane, left);
      x += kPixelsAtOnce;
    } else if (left > kPixelsAtOnce / 4) {
      convolve_pixels<Storage, kPixelsAtOnce / 2, kTapWords>(pass, from, to, lane, left);
      x += kPixelsAtOnce / 2;
    } else {
      convolve_pixels<Storage, kPixelsAtOnce / 4, kTapWords>(pass, from, to, lane, left);
      x += kPixelsAtOnce / 4;
    }
  }
}

template <class Storage, std::size_t kTapWords, class Next>
void convolve_pass(const ConvolutionPass& pass, Next& next) {
  for (std::size_t lane = 0; lane < kGroup; lane += hn::Lanes(WordFloats())) {
    for (std::size_t y = 0; y < pass.height; ++y) {
      next.row();
      convolve_row<Storage, kTapWords>(pass, pass.padded + y * pass.padded_width * kGroup + lane,
                                       pass.dst + y * pass.width * kGroup + lane, lane);
    }
  }
}

/// areas.convolved = bias (null: 0) + the convolution of areas.padded with `filters`, packed, of one group of 16
/// channels. Calls next.row() for each row of each pass.
template <class Storage, class Next>
void convolve(const DepthwiseGeometry& geometry, const DepthwiseScratch::Areas& areas, const float* filters,
              const float* bias, Next& next) {
  alignas(64) static constexpr std::array<float, kGroup> kNoBias{};
  for_kernel_columns(geometry.kernel, [&](auto columns, std::size_t column) HWY_ATTR {
    convolve_pass<Storage, words_of<Storage>(decltype(columns)::value)>(
        {.padded = areas.padded + column * kGroup,
         .padded_width = areas.padded_width,
         .height = geometry.height,
         .width = geometry.width,
         .filter_rows = geometry.kernel,
         .filters = filters + column / Storage::kValuesPerWord * kGroup,
         .filter_row_words = words_of<Storage>(geometry.kernel),
         .bias = column > 0        ? nullptr
                 : bias != nullptr ? bias
                                   : kNoBias.data(),
         .dst = areas.convolved},
        next);
  });
}

}  // namespace convmixer::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per target
