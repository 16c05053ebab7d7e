// The gradient of depthwise filters, for an image of 16 channels; included once for each instruction set.
// Sizes (group, word): see "Words" in HACKING.md.
#if defined(CONVMIXER_KERNELS_TAP_SUMS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CONVMIXER_KERNELS_TAP_SUMS_INL_H
#undef CONVMIXER_KERNELS_TAP_SUMS_INL_H
#else
#define CONVMIXER_KERNELS_TAP_SUMS_INL_H
#endif

#include "kernels/fused/depthwise_filters.hpp"
#include "kernels/fused/depthwise_scratch.hpp"
#include "kernels/fused/row_vectors-inl.h"
#include "kernels/fused/stage_word-inl.h"
#include "kernels/plain/channel_group.hpp"
#include "kernels/plain/kernel_columns-inl.h"

#include <algorithm>
#include <cstddef>

HWY_BEFORE_NAMESPACE();
namespace convmixer::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// The filter's gradient is the correlation of the convolution's input, x, with the gradient of its output, du. Here the
// input is plain and the gradient padded, because the data gradient's convolution reads that too; so the tap that x is
// multiplied by comes out flipped:
//
//     gradient of tap (k - 1 - i, k - 1 - j) = sum over pixels (y, x) of plain[y][x] padded[y + i][x + j]
//
// In bf16 a word of plain is two pixels of a row, 2x and 2x + 1; the word of padded that begins at column 2x + j has
// what both are multiplied by.

/// Sums of `kRows` x `kColumns` taps, each in a register.
template <std::size_t kRows, std::size_t kColumns>
using TapRegisters = WordVector[kRows][kColumns];

/// Sums that fit into the registers beside what they need.
constexpr std::size_t kTapRegisters = HWY_TARGET <= HWY_AVX3 ? 24 : 10;

template <std::size_t kRows, std::size_t kColumns>
HWY_INLINE void clear_taps(TapRegisters<kRows, kColumns>& taps) {
  HWY_UNROLL(9)
  for (std::size_t i = 0; i < kRows; ++i) {
    HWY_UNROLL(9)
    for (std::size_t j = 0; j < kColumns; ++j) taps[i][j] = hn::Zero(WordFloats());
  }
}

/// Adds what `kWords` words of a row of plain, side by side, contribute. Each word of padded is loaded once, and
/// multiplied for all pairs of a word and a tap that see it.
template <class Storage, std::size_t kWords, std::size_t kRows, std::size_t kColumns>
HWY_INLINE void add_words(const float* plain, const float* padded, std::size_t padded_width,
                          TapRegisters<kRows, kColumns>& taps) {
  const WordFloats d;
  constexpr std::size_t kStep = Storage::kValuesPerWord;  // columns from one word of plain to the next
  WordVector words[kWords];
  HWY_UNROLL(4)
  for (std::size_t w = 0; w < kWords; ++w) words[w] = hn::LoadU(d, plain + w * kGroup);
  HWY_UNROLL(9)
  for (std::size_t i = 0; i < kRows; ++i) {
    HWY_UNROLL(16)
    for (std::size_t column = 0; column < kStep * (kWords - 1) + kColumns; ++column) {
      const WordVector value = hn::LoadU(d, padded + (i * padded_width + column) * kGroup);
      HWY_UNROLL(4)
      for (std::size_t w = 0; w < kWords; ++w) {
        if (column >= kStep * w && column - kStep * w < kColumns) {
          taps[i][column - kStep * w] = multiply_add_words<Storage>(value, words[w], taps[i][column - kStep * w]);
        }
      }
    }
  }
}

/// Adds what a row of plain contributes, `words` long.
template <class Storage, std::size_t kRows, std::size_t kColumns>
HWY_INLINE void add_pixel_row(const float* plain, std::size_t words, const float* padded, std::size_t padded_width,
                              TapRegisters<kRows, kColumns>& taps) {
  constexpr std::size_t kWordsAtOnce = HWY_TARGET <= HWY_AVX3 ? (kRows * kColumns <= 24 ? 4 : 1) : 2;
  constexpr std::size_t kStep = Storage::kValuesPerWord;
  std::size_t w = 0;
  for (; w + kWordsAtOnce <= words; w += kWordsAtOnce) {
    add_words<Storage, kWordsAtOnce, kRows, kColumns>(plain + w * kGroup, padded + kStep * w * kGroup, padded_width,
                                                      taps);
  }
  for (; w < words; ++w) {
    add_words<Storage, 1, kRows, kColumns>(plain + w * kGroup, padded + kStep * w * kGroup, padded_width, taps);
  }
}

/// Adds an image's contribution to the sums, (tap, channel), of `kRows` rows i from `row` and `kColumns` columns j from
/// `column`.
template <class Storage, std::size_t kRows, std::size_t kColumns>
void add_taps(const DepthwiseGeometry& geometry, const DepthwiseScratch::Areas& areas, std::size_t row,
              std::size_t column, double* sums) {
  const std::size_t k = geometry.kernel;
  const std::size_t words = words_of<Storage>(geometry.width);
  for (std::size_t lane = 0; lane < kGroup; lane += hn::Lanes(WordFloats())) {
    TapRegisters<kRows, kColumns> taps;
    clear_taps<kRows, kColumns>(taps);
    for (std::size_t y = 0; y < geometry.height; ++y) {
      const float* const plain = areas.plain + y * words * kGroup + lane;
      const float* const padded = areas.padded + ((y + row) * areas.padded_width + column) * kGroup + lane;
      add_pixel_row<Storage, kRows, kColumns>(plain, words, padded, areas.padded_width, taps);
    }
    for (std::size_t i = 0; i < kRows; ++i) {
      for (std::size_t j = 0; j < kColumns; ++j) {
        const std::size_t tap = (k - 1 - row - i) * k + (k - 1 - column - j);
        add_to_doubles(taps[i][j], sums + tap * kGroup + lane);
      }
    }
  }
}

/// All rows of `kColumns` columns, as many at once as there are registers for.
template <class Storage, std::size_t kColumns>
void add_tap_columns(const DepthwiseGeometry& geometry, const DepthwiseScratch::Areas& areas, std::size_t column,
                     double* sums) {
  constexpr std::size_t kRows = std::max(std::size_t{1}, std::min(std::size_t{4}, kTapRegisters / kColumns));
  std::size_t row = 0;
  for (; row + kRows <= geometry.kernel; row += kRows) {
    add_taps<Storage, kRows, kColumns>(geometry, areas, row, column, sums);
  }
  for (; row < geometry.kernel; ++row) add_taps<Storage, 1, kColumns>(geometry, areas, row, column, sums);
}

/// Adds an image's contribution to the sums of all taps, (tap, channel), of one group of 16 channels.
template <class Storage>
void add_all_taps(const DepthwiseGeometry& geometry, const DepthwiseScratch::Areas& areas, double* sums) {
  for_kernel_columns(geometry.kernel, [&](auto columns, std::size_t column) HWY_ATTR {
    add_tap_columns<Storage, decltype(columns)::value>(geometry, areas, column, sums);
  });
}

}  // namespace convmixer::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per target
