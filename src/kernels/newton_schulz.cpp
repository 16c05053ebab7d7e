#include "kernels/newton_schulz.hpp"

#include "kernels/fused/panel_packing.hpp"
#include "kernels/fused/panel_product.hpp"

#include <algorithm>
#include <type_traits>

// Compiled once for each instruction set: see batch_norm.cpp. The order of these lines matters.
// clang-format off
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/newton_schulz.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include "kernels/fused/stage_element-inl.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace convmixer::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// `count` values, whole channel blocks, to the nearest bf16.
void round_to_bf16(const float* from, std::size_t count, Bf16* to) {
  const StageFloats d;
  for (std::size_t i = 0; i < count; i += hn::Lanes(d)) store_stage(hn::LoadU(d, from + i), d, to + i);
}

/// values = factor * values + other_factor * other, of a tile.
void combine_tile(float factor, float* values, float other_factor, const float* other) {
  const StageFloats d;
  for (std::size_t i = 0; i < kChannelBlock * kChannelBlock; i += hn::Lanes(d)) {
    const auto scaled = hn::Mul(hn::Set(d, factor), hn::LoadU(d, values + i));
    hn::StoreU(hn::MulAdd(hn::Set(d, other_factor), hn::LoadU(d, other + i), scaled), d, values + i);
  }
}

}  // namespace convmixer::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "kernels/fused/bf16_target.hpp"

namespace convmixer::kernels {

HWY_EXPORT(round_to_bf16);
HWY_EXPORT(combine_tile);

namespace {

constexpr std::size_t kTile = kChannelBlock * kChannelBlock;
constexpr std::size_t kCacheLine = 16;  // in floats

std::size_t whole_lines(std::size_t floats) { return (floats + kCacheLine - 1) / kCacheLine * kCacheLine; }

/// Sizes of the parts of a matrix's memory, in floats.
template <class Storage>
struct Parts {
  Parts(std::size_t height, std::size_t width)
      : rows(whole_lines(height * width / Storage::kValuesPerWord)),
        words(whole_lines(words_of<Storage>(height) * width)),
        gram(width * width),
        gram_words(width / Storage::kValuesPerWord * width) {}

  std::size_t rows;
  std::size_t words;
  std::size_t gram;
  std::size_t gram_words;
};

std::size_t height_of(std::size_t rows, std::size_t columns) { return std::max(rows, columns); }
std::size_t width_of(std::size_t rows, std::size_t columns) { return padded_channels(std::min(rows, columns)); }

/// Writes a tile of a symmetric matrix of `width`, rows 32 * i and columns 32 * j on, and its mirror image, as words.
template <class Storage>
void put_symmetric(const float* tile, std::size_t i, std::size_t j, std::size_t width, float* words) {
  constexpr std::size_t kTileWords = kTile / Storage::kValuesPerWord;
  const std::size_t panel = width * kChannelBlock / Storage::kValuesPerWord;
  float* const place = words + j * panel + i * kTileWords;
  if constexpr (Storage::kValuesPerWord == 1) {
    if (place != tile) std::copy_n(tile, kTile, place);
  } else {
    alignas(64) std::array<Bf16, kTile> rounded;
    CONVMIXER_DISPATCH_BF16(round_to_bf16)(tile, kTile, rounded.data());
    pair_rows(rounded.data(), kChannelBlock, place);
  }
  if (i == j) return;
  pack_panels<Storage>(tile, 1, kChannelBlock, kChannelBlock, kChannelBlock, words + i * panel + j * kTileWords);
}

}  // namespace

template <class Storage>
std::size_t NewtonSchulz<Storage>::memory_floats(std::size_t rows, std::size_t columns) {
  const Parts<Storage> parts(height_of(rows, columns), width_of(rows, columns));
  if constexpr (Storage::kValuesPerWord == 1) return 2 * parts.rows + 2 * parts.gram;
  return 2 * parts.rows + parts.words + parts.gram + 2 * parts.gram_words;
}

template <class Storage>
std::size_t NewtonSchulz<Storage>::scratch_floats(std::size_t rows, std::size_t columns) {
  return height_of(rows, columns) * kChannelBlock;
}

template <class Storage>
NewtonSchulz<Storage>::NewtonSchulz(std::size_t rows, std::size_t columns, float* memory)
    : transposed_(columns > rows),
      columns_(columns),
      height_(height_of(rows, columns)),
      inner_(std::min(rows, columns)),
      width_(width_of(rows, columns)) {
  const Parts<Storage> parts(height_, width_);
  rows_[0] = reinterpret_cast<Operand*>(memory);
  rows_[1] = reinterpret_cast<Operand*>(memory + parts.rows);
  float* next = memory + 2 * parts.rows;
  const auto take = [&next](std::size_t floats) {
    next += floats;
    return next - floats;
  };
  gram_ = take(parts.gram);
  // In f32, words are rows.
  constexpr bool kHasWords = Storage::kValuesPerWord > 1;
  gram_words_ = kHasWords ? take(parts.gram_words) : gram_;
  polynomial_words_ = take(parts.gram_words);
  words_ = kHasWords ? take(parts.words) : nullptr;
}

/// Block `panel` of X, from rows of 32 floats.
template <class Storage>
void NewtonSchulz<Storage>::keep_rows(std::size_t panel, const float* rows, std::size_t buffer) {
  Operand* const to = rows_[buffer] + panel * height_ * kChannelBlock;
  if constexpr (Storage::kValuesPerWord == 1) {
    if (rows != to) std::copy_n(rows, height_ * kChannelBlock, to);
  } else {
    CONVMIXER_DISPATCH_BF16(round_to_bf16)(rows, height_ * kChannelBlock, to);
    pair_rows(to, height_, words_ + panel * words_of<Storage>(height_) * kChannelBlock);
  }
}

template <class Storage>
void NewtonSchulz<Storage>::begin(const float* matrix, float scale, float* scratch) {
  current_ = 0;
  const std::size_t row_stride = transposed_ ? 1 : columns_;
  const std::size_t column_stride = transposed_ ? columns_ : 1;
  for (std::size_t panel = 0; panel < panels(); ++panel) {
    const std::size_t first = panel * kChannelBlock;
    pack_panels<F32Storage>(matrix + first * column_stride, row_stride, column_stride, height_,
                            std::min(kChannelBlock, inner_ - first), scratch);
    for (std::size_t i = 0; i < height_ * kChannelBlock; ++i) scratch[i] *= scale;
    keep_rows(panel, scratch, current_);
  }
}

/// A = X' X.
template <class Storage>
void NewtonSchulz<Storage>::gram(std::size_t panel) {
  const std::size_t words = words_of<Storage>(height_);
  const float* x = words_;
  if constexpr (Storage::kValuesPerWord == 1) x = rows_[current_];
  for (std::size_t i = 0; i <= panel; ++i) {
    float* const tile = gram_ + (panel * width_ + i * kChannelBlock) * kChannelBlock;
    multiply_columns<Storage>({.a = x + i * words * kChannelBlock,
                               .b = x + panel * words * kChannelBlock,
                               .words = words,
                               .accumulate = false,
                               .dst = tile});
    put_symmetric<Storage>(tile, i, panel, width_, gram_words_);
  }
}

/// a I + b A + c A A, where A A = A' A.
template <class Storage>
void NewtonSchulz<Storage>::polynomial(std::size_t panel) {
  const auto [a, b, c] = kCoefficients;
  const std::size_t words = words_of<Storage>(width_);
  alignas(64) std::array<float, kTile> tile;
  for (std::size_t i = 0; i <= panel; ++i) {
    multiply_columns<Storage>({.a = gram_words_ + i * words * kChannelBlock,
                               .b = gram_words_ + panel * words * kChannelBlock,
                               .words = words,
                               .accumulate = false,
                               .dst = tile.data()});
    HWY_DYNAMIC_DISPATCH(combine_tile)(c, tile.data(), b, gram_ + (panel * width_ + i * kChannelBlock) * kChannelBlock);
    if (i == panel) {
      for (std::size_t d = 0; d < kChannelBlock; ++d) tile[d * kChannelBlock + d] += a;
    }
    put_symmetric<Storage>(tile.data(), i, panel, width_, polynomial_words_);
  }
}

/// Block `panel` of X (a I + b A + c A^2), as rows of 32 floats.
template <class Storage>
void NewtonSchulz<Storage>::product(std::size_t panel, float* dst) const {
  multiply_rows<Storage>({.a = rows_[current_],
                          .a_block = height_ * kChannelBlock,
                          .b = polynomial_words_ + panel * words_of<Storage>(width_) * kChannelBlock,
                          .rows = height_,
                          .inner = width_,
                          .bias = nullptr,
                          .dst = dst});
}

template <class Storage>
void NewtonSchulz<Storage>::multiply(std::size_t panel, float* scratch) {
  float* dst = scratch;
  if constexpr (Storage::kValuesPerWord == 1) dst = rows_[1 - current_] + panel * height_ * kChannelBlock;
  product(panel, dst);
  keep_rows(panel, dst, 1 - current_);
}

template <class Storage>
void NewtonSchulz<Storage>::finish(std::size_t panel, float* scratch, float* result) {
  product(panel, scratch);
  const std::size_t first = panel * kChannelBlock;
  const std::size_t count = std::min(kChannelBlock, inner_ - first);
  if (!transposed_) {
    for (std::size_t row = 0; row < height_; ++row) {
      std::copy_n(scratch + row * kChannelBlock, count, result + row * columns_ + first);
    }
    return;
  }
  for (std::size_t column = 0; column < count; ++column) {
    float* const to = result + (first + column) * columns_;
    for (std::size_t row = 0; row < height_; ++row) to[row] = scratch[row * kChannelBlock + column];
  }
}

template <class Storage>
void NewtonSchulz<Storage>::run(const float* matrix, float scale, int steps, float* scratch, float* result) {
  begin(matrix, scale, scratch);
  for (int step = 1; step <= steps; ++step) {
    for (std::size_t panel = 0; panel < panels(); ++panel) gram(panel);
    for (std::size_t panel = 0; panel < panels(); ++panel) polynomial(panel);
    for (std::size_t panel = 0; panel < panels(); ++panel) {
      if (step < steps) {
        multiply(panel, scratch);
      } else {
        finish(panel, scratch, result);
      }
    }
    end_step();
  }
}

template class NewtonSchulz<F32Storage>;
template class NewtonSchulz<Bf16Storage>;

}  // namespace convmixer::kernels
#endif
