#include "kernels/fused/panel_packing.hpp"

#include "convmixer/core/precision.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

// Compiled once for each instruction set: see batch_norm.cpp. The order of these lines matters.
// clang-format off
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/fused/panel_packing.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#ifndef CONVMIXER_PANEL_PLACES
#define CONVMIXER_PANEL_PLACES
namespace convmixer::kernels {
namespace {

/// Where the words of a panel lie.
struct PanelPlaces {
  PanelPlaces(PanelLayout layout, std::size_t words)
      : row(layout == PanelLayout::rows ? kChannelBlock : kChannelBlock / 2), part(words * row) {}

  [[nodiscard]] std::size_t at(std::size_t word, std::size_t column) const {
    return column / row * part + word * row + column % row;
  }

  std::size_t row;   // floats
  std::size_t part;  // likewise: the panel, or a half
};

}  // namespace
}  // namespace convmixer::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace convmixer::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// The words of a whole panel of a matrix that lies transposed, each column's values side by side, as weights do for
// forward. One value after the other, ConvMixer-256/8's would take a quarter of the time of an image's inference.

#if HWY_TARGET == HWY_SCALAR

template <class Storage>
std::size_t pack_transposed_any(const float* /*from*/, std::size_t /*column_stride*/, std::size_t /*inner*/,
                                float* /*to*/, PanelPlaces /*places*/) {
  return 0;
}

#else

using FourWords = hn::FixedTag<std::uint32_t, 4>;
using FourWordsVector = hn::Vec<FourWords>;

/// The bf16 of f32 bits in the lower half, as to_bf16() rounds.
HWY_INLINE FourWordsVector rounded_bf16(FourWordsVector bits) {
  const FourWords d;
  const FourWordsVector last_bit = hn::And(hn::ShiftRight<16>(bits), hn::Set(d, 1U));
  const FourWordsVector rounded = hn::Add(hn::Add(bits, hn::Set(d, 0x7fffU)), last_bit);
  const hn::RebindToSigned<FourWords> integers;  // a positive number's bits are compared as integers
  const auto magnitude = hn::BitCast(integers, hn::And(bits, hn::Set(d, 0x7fffffffU)));
  const auto is_nan = hn::RebindMask(d, hn::Gt(magnitude, hn::Set(integers, 0x7f800000)));
  return hn::ShiftRight<16>(hn::IfThenElse(is_nan, hn::Or(bits, hn::Set(d, 0x400000U)), rounded));
}

/// Four words of a column.
template <class Storage>
HWY_INLINE FourWordsVector load_words(const float* from) {
  const FourWords d;
  const hn::FixedTag<float, 4> floats;
  const FourWordsVector first = hn::BitCast(d, hn::LoadU(floats, from));
  if constexpr (Storage::kValuesPerWord == 1) {
    return first;
  } else {
    const FourWordsVector second = hn::BitCast(d, hn::LoadU(floats, from + 4));
    const FourWordsVector even = rounded_bf16(hn::ConcatEven(d, second, first));
    const FourWordsVector odd = rounded_bf16(hn::ConcatOdd(d, second, first));
    return hn::Or(even, hn::ShiftLeft<16>(odd));
  }
}

/// Four words of each of four columns, as rows of a panel, which are `row` floats apart.
template <class Storage>
HWY_INLINE void transpose_words(const float* from, std::size_t column_stride, float* to, std::size_t row) {
  const FourWords d;
  const hn::FixedTag<float, 4> floats;
  const hn::FixedTag<std::uint64_t, 2> pairs;
  const FourWordsVector column0 = load_words<Storage>(from);
  const FourWordsVector column1 = load_words<Storage>(from + column_stride);
  const FourWordsVector column2 = load_words<Storage>(from + 2 * column_stride);
  const FourWordsVector column3 = load_words<Storage>(from + 3 * column_stride);
  const auto lower01 = hn::BitCast(pairs, hn::InterleaveLower(d, column0, column1));
  const auto lower23 = hn::BitCast(pairs, hn::InterleaveLower(d, column2, column3));
  const auto upper01 = hn::BitCast(pairs, hn::InterleaveUpper(d, column0, column1));
  const auto upper23 = hn::BitCast(pairs, hn::InterleaveUpper(d, column2, column3));
  hn::StoreU(hn::BitCast(floats, hn::InterleaveLower(pairs, lower01, lower23)), floats, to);
  hn::StoreU(hn::BitCast(floats, hn::InterleaveUpper(pairs, lower01, lower23)), floats, to + row);
  hn::StoreU(hn::BitCast(floats, hn::InterleaveLower(pairs, upper01, upper23)), floats, to + 2 * row);
  hn::StoreU(hn::BitCast(floats, hn::InterleaveUpper(pairs, upper01, upper23)), floats, to + 3 * row);
}

/// Packs what comes in fours, and returns how many words of each column those are. Sixteen columns at a time: lines of
/// the panel are written whole, and columns a power of two apart don't drive each other out of the cache.
template <class Storage>
std::size_t pack_transposed_any(const float* from, std::size_t column_stride, std::size_t inner, float* to,
                                PanelPlaces places) {
  constexpr std::size_t kColumns = 16;
  const std::size_t words = inner / Storage::kValuesPerWord / 4 * 4;
  for (std::size_t first = 0; first < kChannelBlock; first += kColumns) {
    for (std::size_t word = 0; word < words; word += 4) {
      for (std::size_t column = first; column < first + kColumns; column += 4) {
        transpose_words<Storage>(from + column * column_stride + word * Storage::kValuesPerWord, column_stride,
                                 to + places.at(word, column), places.row);
      }
    }
  }
  return words;
}

#endif

std::size_t pack_transposed_f32(const float* from, std::size_t column_stride, std::size_t inner, float* to,
                                PanelPlaces places) {
  return pack_transposed_any<F32Storage>(from, column_stride, inner, to, places);
}
std::size_t pack_transposed_bf16(const float* from, std::size_t column_stride, std::size_t inner, float* to,
                                 PanelPlaces places) {
  return pack_transposed_any<Bf16Storage>(from, column_stride, inner, to, places);
}

PanelLayout best_layout() { return HWY_TARGET <= HWY_AVX3 ? PanelLayout::rows : PanelLayout::halves; }

}  // namespace convmixer::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "kernels/fused/bf16_target.hpp"

namespace convmixer::kernels {

HWY_EXPORT(best_layout);
HWY_EXPORT(pack_transposed_f32);
HWY_EXPORT(pack_transposed_bf16);

namespace {

/// A row of words of a panel: `width` columns, `column_stride` apart from `first` on, and of bf16 those of the row that
/// `second` points to (null: 0).
template <class Storage>
void pack_words(const float* first, const float* second, std::size_t column_stride, std::size_t width, float* to,
                PanelPlaces places, std::size_t word) {
  std::array<float, kChannelBlock> words{};
  if constexpr (Storage::kValuesPerWord == 1) {
    for (std::size_t j = 0; j < width; ++j) words[j] = first[j * column_stride];
  } else {
    for (std::size_t j = 0; j < width; ++j) {
      const std::uint32_t low = to_bf16(first[j * column_stride]);
      const std::uint32_t high = second != nullptr ? to_bf16(second[j * column_stride]) : 0U;
      const std::uint32_t pair = low | high << 16;
      std::memcpy(&words[j], &pair, sizeof pair);
    }
  }
  for (std::size_t column = 0; column < kChannelBlock; column += places.row)
    std::memcpy(to + places.at(word, column), &words[column], places.row * sizeof(float));
}

template <class Storage>
std::size_t pack_transposed(const float* from, std::size_t column_stride, std::size_t inner, float* to,
                            PanelPlaces places) {
  if constexpr (Storage::kValuesPerWord == 1) {
    return HWY_DYNAMIC_DISPATCH(pack_transposed_f32)(from, column_stride, inner, to, places);
  } else {
    return CONVMIXER_DISPATCH_BF16(pack_transposed_bf16)(from, column_stride, inner, to, places);
  }
}

}  // namespace

template <class Storage>
void pack_panels(const float* from, std::size_t row_stride, std::size_t column_stride, std::size_t inner,
                 std::size_t columns, float* to, PanelLayout layout) {
  const PanelPlaces places(layout, words_of<Storage>(inner));
  const std::size_t panel_size = packed_panels_size<Storage>(inner, kChannelBlock);
  for (std::size_t column = 0; column < columns; column += kChannelBlock, to += panel_size) {
    const std::size_t width = std::min(kChannelBlock, columns - column);
    const float* const panel = from + column * column_stride;
    const bool transposed = row_stride == 1 && width == kChannelBlock;
    const std::size_t done = transposed ? pack_transposed<Storage>(panel, column_stride, inner, to, places) : 0;
    for (std::size_t word = done; word < words_of<Storage>(inner); ++word) {
      const std::size_t row = word * Storage::kValuesPerWord;
      const float* const first = panel + row * row_stride;
      pack_words<Storage>(first, row + 1 < inner ? first + row_stride : nullptr, column_stride, width, to, places,
                          word);
    }
  }
}
template void pack_panels<F32Storage>(const float*, std::size_t, std::size_t, std::size_t, std::size_t, float*,
                                      PanelLayout);
template void pack_panels<Bf16Storage>(const float*, std::size_t, std::size_t, std::size_t, std::size_t, float*,
                                       PanelLayout);

PanelLayout best_panel_layout() { return HWY_DYNAMIC_DISPATCH(best_layout)(); }

}  // namespace convmixer::kernels
#endif
