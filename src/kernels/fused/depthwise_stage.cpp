#include "kernels/fused/depthwise_stage.hpp"

#include "convmixer/core/precision.hpp"
#include "kernels/plain/channel_group.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

// Compiled once for each instruction set: see batch_norm.cpp. The order of these lines matters.
// clang-format off
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/fused/depthwise_stage.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include "kernels/fused/norm_stage-inl.h"
#include "kernels/fused/stage_word-inl.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace convmixer::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Pixels computed at once, each in a register: with a row of taps and one input they fill the registers.
constexpr std::size_t kTile = HWY_TARGET <= HWY_AVX3 ? 16 : 4;
/// Asks for a stage's next operands, a block on from those at hand (tensors lie in one piece, block after block and
/// image after image), while the multiply-adds run: some lines for each row of the convolution, into the second level.
template <std::size_t kStreams>
class NextBlock {
 public:
  /// `rows` is how often row() will be called.
  NextBlock(std::array<const void*, kStreams> at, std::array<std::size_t, kStreams> bytes, std::size_t rows)
      : rows_(rows) {
    for (std::size_t i = 0; i < kStreams; ++i) {
      at_[i] = static_cast<const std::byte*>(at[i]) + bytes[i];
      end_[i] = at_[i] + bytes[i];
      step_[i] = (bytes[i] / kLine + rows - 1) / rows * kLine;
    }
  }
  HWY_INLINE void row() {
    for (std::size_t i = 0; i < kStreams; ++i) {
      const std::byte* const end = std::min(at_[i] + step_[i], end_[i]);
      for (; at_[i] < end; at_[i] += kLine) __builtin_prefetch(at_[i], 0, 2);
    }
  }

 private:
  static constexpr std::size_t kLine = 64;
  std::size_t rows_;
  const std::byte* at_[kStreams];
  const std::byte* end_[kStreams];
  std::size_t step_[kStreams];
};

/// Columns of taps in one pass.
constexpr std::size_t kMostColumns = 9;

/// Calls pixel(x) for each x of a row and puts what it returns into the row's words: `at` is that of its first pixel.
/// In bf16 the pixel left of the row becomes a word too if there `is_padded`: its neighbour is the first.
template <class Storage, typename Pixel>
HWY_INLINE void put_padded_row(std::size_t width, bool is_padded, float* at, const Pixel& pixel) {
  const StageFloats d;
  if constexpr (Storage::kValuesPerWord == 1) {
    for (std::size_t x = 0; x < width; ++x) hn::StoreU(pixel(x), d, at + x * kGroup);
  } else {
    HalfWord before = half_word(pixel(0));
    if (is_padded) hn::StoreU(word_of(no_value(), before), d, at - kGroup);
    for (std::size_t x = 1; x < width; ++x) {
      const HalfWord part = half_word(pixel(x));
      hn::StoreU(word_of(before, part), d, at + (x - 1) * kGroup);
      before = part;
    }
    hn::StoreU(word_of(before, no_value()), d, at + (width - 1) * kGroup);
  }
}

/// Likewise, each pixel in one word.
template <class Storage, typename Pixel>
HWY_INLINE void put_plain_row(std::size_t width, float* at, const Pixel& pixel) {
  const StageFloats d;
  if constexpr (Storage::kValuesPerWord == 1) {
    for (std::size_t x = 0; x < width; ++x) hn::StoreU(pixel(x), d, at + x * kGroup);
  } else {
    std::size_t x = 0;
    for (; x + 2 <= width; x += 2) {
      const HalfWord first = half_word(pixel(x));
      hn::StoreU(word_of(first, half_word(pixel(x + 1))), d, at + x / 2 * kGroup);
    }
    if (x < width) hn::StoreU(word_of(half_word(pixel(x)), no_value()), d, at + x / 2 * kGroup);
  }
}

/// `height` x `width` pixels of 16 channels: dst (+)= taps * src. `src` is the first word of the padded image, filters
/// point to the first word of columns; with `bias` null, dst is added to.
struct ConvolveRows {
  const float* src;
  std::size_t src_width;
  std::size_t height;
  std::size_t width;
  std::size_t kernel;  // rows
  const float* filters;
  std::size_t filter_words;  // of a row of the whole filter
  const float* bias;
  float* dst;
};

/// `kWords` words of taps from each row.
template <class Storage, std::size_t kPixels, std::size_t kWords>
HWY_INLINE void convolve_tile(const ConvolveRows& a, const float* src, float* dst, std::size_t lane,
                              std::size_t wanted) {
  const StageFloats d;
  constexpr std::size_t kStep = Storage::kValuesPerWord;
  StageVector sums[kPixels];
  if (a.bias != nullptr) {
    const StageVector bias = hn::LoadU(d, a.bias + lane);
    HWY_UNROLL(16)
    for (std::size_t i = 0; i < kPixels; ++i) sums[i] = bias;
  } else {
    HWY_UNROLL(16)
    for (std::size_t i = 0; i < kPixels; ++i) sums[i] = hn::LoadU(d, dst + i * kGroup);
  }
  const float* filter = a.filters + lane;
  for (std::size_t row = 0; row < a.kernel; ++row) {
    StageVector taps[kWords];
    HWY_UNROLL(9)
    for (std::size_t j = 0; j < kWords; ++j) taps[j] = hn::LoadU(d, filter + j * kGroup);
    HWY_UNROLL(24)
    for (std::size_t column = 0; column < kPixels + kStep * (kWords - 1); ++column) {
      const StageVector word = hn::LoadU(d, src + column * kGroup);
      HWY_UNROLL(9)
      for (std::size_t j = 0; j < kWords; ++j) {
        if (column >= kStep * j && column - kStep * j < kPixels) {
          sums[column - kStep * j] = multiply_add_words<Storage>(word, taps[j], sums[column - kStep * j]);
        }
      }
    }
    src += a.src_width * kGroup;
    filter += a.filter_words * kGroup;
  }
  HWY_UNROLL(16)
  for (std::size_t i = 0; i < kPixels; ++i) {
    if (i < wanted) hn::StoreU(sums[i], d, dst + i * kGroup);  // those beyond the row's end are nonsense
  }
}

template <class Storage, std::size_t kWords, class Next>
void convolve_columns(const ConvolveRows& a, Next& next) {
  const StageFloats d;
  for (std::size_t lane = 0; lane < kGroup; lane += hn::Lanes(d)) {
    for (std::size_t row = 0; row < a.height; ++row) {
      const float* const src = a.src + row * a.src_width * kGroup + lane;
      float* const dst = a.dst + row * a.width * kGroup + lane;
      next.row();
      for (std::size_t w = 0; w < a.width;) {
        const std::size_t left = a.width - w;
        const float* const from = src + w * kGroup;
        float* const to = dst + w * kGroup;
        if (left > kTile / 2) {
          convolve_tile<Storage, kTile, kWords>(a, from, to, lane, left);
          w += kTile;
        } else if (left > kTile / 4) {
          convolve_tile<Storage, kTile / 2, kWords>(a, from, to, lane, left);
          w += kTile / 2;
        } else {
          convolve_tile<Storage, kTile / 4, kWords>(a, from, to, lane, left);
          w += kTile / 4;
        }
      }
    }
  }
}

/// Calls visit(std::integral_constant<columns>, first column) for passes of at most kMostColumns columns.
template <typename Visit>
HWY_INLINE void for_columns(std::size_t kernel, const Visit& visit) {
  std::size_t column = 0;
  while (column < kernel) {
    const std::size_t left = kernel - column;
    switch (left) {
      case 1:
        return visit(std::integral_constant<std::size_t, 1>(), column);
      case 2:
        return visit(std::integral_constant<std::size_t, 2>(), column);
      case 3:
        return visit(std::integral_constant<std::size_t, 3>(), column);
      case 4:
        return visit(std::integral_constant<std::size_t, 4>(), column);
      case 5:
        return visit(std::integral_constant<std::size_t, 5>(), column);
      case 6:
        return visit(std::integral_constant<std::size_t, 6>(), column);
      case 7:
        return visit(std::integral_constant<std::size_t, 7>(), column);
      case 8:
        return visit(std::integral_constant<std::size_t, 8>(), column);
      case 9:
        return visit(std::integral_constant<std::size_t, 9>(), column);
      default:
        visit(std::integral_constant<std::size_t, 8>(), column);
        column += 8;
    }
  }
}
static_assert(kMostColumns == 9);

/// dst = bias (null: 0) + taps * src.
template <class Storage, class Next>
void convolve(const DepthwiseGeometry& geometry, const DepthwiseScratch::Areas& areas, const float* filters,
              const float* bias, Next& next) {
  alignas(64) static constexpr std::array<float, kGroup> kNoBias{};
  for_columns(geometry.kernel, [&](auto columns, std::size_t column) HWY_ATTR {
    convolve_columns<Storage, depthwise_row_words<Storage>(decltype(columns)::value)>(
        {.src = areas.padded + column * kGroup,
         .src_width = areas.padded_width,
         .height = geometry.height,
         .width = geometry.width,
         .kernel = geometry.kernel,
         .filters = filters + column / Storage::kValuesPerWord * kGroup,
         .filter_words = depthwise_row_words<Storage>(geometry.kernel),
         .bias = column > 0        ? nullptr
                 : bias != nullptr ? bias
                                   : kNoBias.data(),
         .dst = areas.tile},
        next);
  });
}

/// Adds sum over pixels (y, x) of plain[y][x] padded[y + i][x + j] to the sums of tap (k - 1 - i, k - 1 - j), for
/// `kRows` rows i from `row` and `kColumns` columns j from `column`.
template <class Storage, std::size_t kRows, std::size_t kColumns>
void add_tap_sums(const DepthwiseGeometry& geometry, const DepthwiseScratch::Areas& areas, std::size_t row,
                  std::size_t column, double* sums) {
  const StageFloats d;
  constexpr std::size_t kUnroll = HWY_TARGET <= HWY_AVX3 && kRows * kColumns <= 24 ? 4 : 1;
  const std::size_t k = geometry.kernel;
  for (std::size_t lane = 0; lane < kGroup; lane += hn::Lanes(d)) {
    StageVector taps[kRows][kColumns];
    HWY_UNROLL(9)
    for (std::size_t i = 0; i < kRows; ++i) {
      HWY_UNROLL(9)
      for (std::size_t j = 0; j < kColumns; ++j) taps[i][j] = hn::Zero(d);
    }
    constexpr std::size_t kStep = Storage::kValuesPerWord;
    const auto add_words = [&](const float* plain, const float* padded, auto count) HWY_ATTR {
      constexpr std::size_t kWords = decltype(count)::value;
      StageVector words[kWords];
      HWY_UNROLL(4)
      for (std::size_t x = 0; x < kWords; ++x) words[x] = hn::LoadU(d, plain + x * kGroup);
      HWY_UNROLL(9)
      for (std::size_t i = 0; i < kRows; ++i) {
        HWY_UNROLL(16)
        for (std::size_t at = 0; at < kStep * (kWords - 1) + kColumns; ++at) {
          const StageVector value = hn::LoadU(d, padded + (i * areas.padded_width + at) * kGroup);
          HWY_UNROLL(4)
          for (std::size_t x = 0; x < kWords; ++x) {
            if (at >= kStep * x && at - kStep * x < kColumns) {
              taps[i][at - kStep * x] = multiply_add_words<Storage>(value, words[x], taps[i][at - kStep * x]);
            }
          }
        }
      }
    };
    const std::size_t width = depthwise_row_words<Storage>(geometry.width);
    for (std::size_t y = 0; y < geometry.height; ++y) {
      const float* const plain = areas.plain + y * width * kGroup + lane;
      const float* const padded = areas.padded + ((y + row) * areas.padded_width + column) * kGroup + lane;
      std::size_t x = 0;
      for (; x + kUnroll <= width; x += kUnroll) {
        add_words(plain + x * kGroup, padded + kStep * x * kGroup, std::integral_constant<std::size_t, kUnroll>());
      }
      for (; x < width; ++x) {
        add_words(plain + x * kGroup, padded + kStep * x * kGroup, std::integral_constant<std::size_t, 1>());
      }
    }
    for (std::size_t i = 0; i < kRows; ++i) {
      for (std::size_t j = 0; j < kColumns; ++j) {
        const std::size_t tap = (k - 1 - row - i) * k + (k - 1 - column - j);
        add_to_doubles(taps[i][j], sums + tap * kGroup + lane);
      }
    }
  }
}

/// Sums that fit into the registers beside what they need.
constexpr std::size_t kTapRegisters = HWY_TARGET <= HWY_AVX3 ? 24 : 9;

template <class Storage, std::size_t kColumns>
void add_tap_columns(const DepthwiseGeometry& geometry, const DepthwiseScratch::Areas& areas, std::size_t column,
                     double* sums) {
  constexpr std::size_t kRows = std::max(std::size_t{1}, std::min(std::size_t{4}, kTapRegisters / kColumns));
  std::size_t row = 0;
  for (; row + kRows <= geometry.kernel; row += kRows) {
    add_tap_sums<Storage, kRows, kColumns>(geometry, areas, row, column, sums);
  }
  for (; row < geometry.kernel; ++row) add_tap_sums<Storage, 1, kColumns>(geometry, areas, row, column, sums);
}

/// What both ways forward begin with: 16 channels from `half` normalised and convolved, into areas.tile. `Forward` is
/// DepthwiseForward or DepthwiseInference.
template <class Storage, class Forward>
void convolve_half(const Forward& a, const DepthwiseScratch::Areas& areas, std::size_t half, NextBlock<1>& next) {
  const StageFloats d;
  const DepthwiseGeometry& g = a.geometry;
  for (std::size_t lane = 0; lane < kGroup; lane += hn::Lanes(d)) {
    const StageVector scale = hn::LoadU(d, a.scale + half + lane);
    const StageVector shift = hn::LoadU(d, a.shift + half + lane);
    for (std::size_t y = 0; y < g.height; ++y) {
      const auto* const src = a.src + y * g.width * kChannelBlock + half + lane;
      float* const to = areas.padded + ((y + g.padding_begin) * areas.padded_width + g.padding_begin) * kGroup + lane;
      put_padded_row<Storage>(g.width, g.padding_begin > 0, to, [&](std::size_t x) HWY_ATTR {
        return hn::MulAdd(load_stage(d, src + x * kChannelBlock), scale, shift);
      });
    }
  }
  convolve<Storage>(g, areas, a.filters + half * g.kernel * depthwise_row_words<Storage>(g.kernel), a.bias + half,
                    next);
}

template <class Storage>
void depthwise_forward_half(const DepthwiseForward<Storage>& a, const DepthwiseScratch::Areas& areas, std::size_t half,
                            NextBlock<1>& next) {
  const DepthwiseGeometry& g = a.geometry;
  convolve_half<Storage>(a, areas, half, next);
  gelu_forward_rows<Storage, 1, true>(
      {.src = areas.tile,
       .stride = kGroup,
       .rows = g.height * g.width,
       .groups = 1,
       .value = a.value + half,
       .gelu_derivative = a.gelu_derivative + half,
       .moments = {a.moments.origin + half, a.moments.sum + half, a.moments.square + half, a.moments.begins}});
}

template <class Storage>
void depthwise_inference_half(DepthwiseInference<Storage> a, DepthwiseScratch::Areas areas, std::size_t half,
                              NextBlock<1>& next) {
  const StageFloats d;
  convolve_half<Storage>(a, areas, half, next);
  const typename GeluFor<Storage, StageFloats>::Type gelu(d);
  const std::size_t rows = a.geometry.height * a.geometry.width;
  for (std::size_t lane = 0; lane < kGroup; lane += hn::Lanes(d)) {
    const std::size_t first = half + lane;
    const StageVector branch_scale = hn::LoadU(d, a.branch_scale + first);
    const StageVector scale = hn::LoadU(d, a.scale + first);
    const StageVector shift = hn::LoadU(d, a.out_shift + first);
    for (std::size_t row = 0; row < rows; ++row) {
      const StageVector branch = gelu(hn::LoadU(d, areas.tile + row * kGroup + lane)).value;
      const StageVector trunk = hn::MulAdd(load_stage(d, a.src + row * kChannelBlock + first), scale, shift);
      store_stage(hn::MulAdd(branch, branch_scale, trunk), d, a.dst + row * a.stride + first);
    }
  }
}

/// Stages the gradient before the GELU, padded, and the convolution's input, plain; adds up the bias's gradient.
template <class Storage>
void stage_backward(DepthwiseBackward<Storage> arguments, DepthwiseScratch::Areas areas, std::size_t half,
                    double* bias_sums) {
  const StageFloats d;
  const DepthwiseGeometry& g = arguments.geometry;
  const std::size_t padding = g.kernel - 1 - g.padding_begin;
  for (std::size_t lane = 0; lane < kGroup; lane += hn::Lanes(d)) {
    const std::size_t first = half + lane;
    const StageVector a = hn::LoadU(d, arguments.a + first);
    const StageVector b = hn::LoadU(d, arguments.b + first);
    const StageVector c = hn::LoadU(d, arguments.c + first);
    const StageVector scale = hn::LoadU(d, arguments.src_scale + first);
    const StageVector shift = hn::LoadU(d, arguments.src_shift + first);
    for (std::size_t y = 0; y < g.height; ++y) {
      const std::size_t row = y * g.width * kChannelBlock + first;
      float* const padded = areas.padded + ((y + padding) * areas.padded_width + padding) * kGroup + lane;
      float* const plain = areas.plain + y * depthwise_row_words<Storage>(g.width) * kGroup + lane;
      StageVector sum = hn::Zero(d);
      put_padded_row<Storage>(g.width, padding > 0, padded, [&](std::size_t x) HWY_ATTR {
        const std::size_t at = row + x * kChannelBlock;
        const StageVector gradient =
            norm_gradient<Storage, true>(arguments.gradient, arguments.value, arguments.gelu_derivative, at, a, b, c);
        sum = hn::Add(sum, gradient);
        return gradient;
      });
      put_plain_row<Storage>(g.width, plain, [&](std::size_t x) HWY_ATTR {
        const std::size_t at = row + x * kChannelBlock;
        return hn::MulAdd(load_stage(d, arguments.src + at), scale, shift);
      });
      add_to_doubles(sum, bias_sums + lane);
    }
  }
}

template <class Storage>
void depthwise_backward_half(const DepthwiseBackward<Storage>& a, const DepthwiseScratch::Areas& areas,
                             std::size_t half, NextBlock<4>& next) {
  const DepthwiseGeometry& g = a.geometry;
  const std::size_t taps = g.kernel * g.kernel;
  double* const sums = a.sums + half * (taps + 1);
  stage_backward(a, areas, half, sums + taps * kGroup);
  for_columns(g.kernel, [&](auto columns, std::size_t column)
                            HWY_ATTR { add_tap_columns<Storage, decltype(columns)::value>(g, areas, column, sums); });
  convolve<Storage>(g, areas, a.filters + half * g.kernel * depthwise_row_words<Storage>(g.kernel), nullptr, next);
  gradient_sums_any<Storage>({.src = areas.tile,
                              .stride = kGroup,
                              .rows = g.height * g.width,
                              .groups = 1,
                              .residual = a.gradient + half,
                              .value = a.src + half,
                              .mean = a.src_mean + half,
                              .dst = a.gradient + half,
                              .first = a.first + half,
                              .second = a.second + half});
}

template <class Storage>
void depthwise_forward_any(const DepthwiseForward<Storage>& a, const DepthwiseScratch::Areas& areas) {
  const std::size_t block = a.geometry.height * a.geometry.width * kChannelBlock;
  NextBlock<1> next({a.src}, {block * sizeof *a.src}, 2 * a.geometry.height);
  for (std::size_t half = 0; half < kChannelBlock; half += kGroup) depthwise_forward_half(a, areas, half, next);
}

template <class Storage>
void depthwise_inference_any(const DepthwiseInference<Storage>& a, const DepthwiseScratch::Areas& areas) {
  const std::size_t block = a.geometry.height * a.geometry.width * kChannelBlock;
  NextBlock<1> next({a.src}, {block * sizeof *a.src}, 2 * a.geometry.height);
  for (std::size_t half = 0; half < kChannelBlock; half += kGroup) depthwise_inference_half(a, areas, half, next);
}

template <class Storage>
void depthwise_backward_any(const DepthwiseBackward<Storage>& a, const DepthwiseScratch::Areas& areas) {
  const std::size_t block = a.geometry.height * a.geometry.width * kChannelBlock;
  NextBlock<4> next(
      {a.gradient, a.value, a.gelu_derivative, a.src},
      {block * sizeof *a.gradient, block * sizeof *a.value, block * sizeof *a.gelu_derivative, block * sizeof *a.src},
      2 * a.geometry.height);
  for (std::size_t half = 0; half < kChannelBlock; half += kGroup) depthwise_backward_half(a, areas, half, next);
}

void depthwise_forward_f32(const DepthwiseForward<F32Storage>& a, const DepthwiseScratch::Areas& areas) {
  depthwise_forward_any(a, areas);
}
void depthwise_forward_bf16(const DepthwiseForward<Bf16Storage>& a, const DepthwiseScratch::Areas& areas) {
  depthwise_forward_any(a, areas);
}
void depthwise_inference_f32(const DepthwiseInference<F32Storage>& a, const DepthwiseScratch::Areas& areas) {
  depthwise_inference_any(a, areas);
}
void depthwise_inference_bf16(const DepthwiseInference<Bf16Storage>& a, const DepthwiseScratch::Areas& areas) {
  depthwise_inference_any(a, areas);
}
void depthwise_backward_f32(const DepthwiseBackward<F32Storage>& a, const DepthwiseScratch::Areas& areas) {
  depthwise_backward_any(a, areas);
}
void depthwise_backward_bf16(const DepthwiseBackward<Bf16Storage>& a, const DepthwiseScratch::Areas& areas) {
  depthwise_backward_any(a, areas);
}

}  // namespace convmixer::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace convmixer::kernels {

HWY_EXPORT(depthwise_forward_f32);
HWY_EXPORT(depthwise_forward_bf16);
HWY_EXPORT(depthwise_inference_f32);
HWY_EXPORT(depthwise_inference_bf16);
HWY_EXPORT(depthwise_backward_f32);
HWY_EXPORT(depthwise_backward_bf16);

namespace {

/// Pixels that kernels may read or write beyond an image: a tile, less one.
constexpr std::size_t kSlack = 16;

std::size_t padded_floats(const DepthwiseGeometry& geometry) {
  const std::size_t border = geometry.kernel - 1;
  return ((geometry.height + border) * (geometry.width + border) + kSlack) * kGroup;
}

std::size_t plain_floats(const DepthwiseGeometry& geometry) {
  return (geometry.height * geometry.width + kSlack) * kGroup;
}

}  // namespace

std::size_t DepthwiseScratch::floats(const DepthwiseGeometry& geometry) {
  return padded_floats(geometry) + 2 * plain_floats(geometry);
}

DepthwiseScratch::Areas DepthwiseScratch::prepare(const DepthwiseGeometry& geometry, std::size_t begin) {
  const std::size_t padded = padded_floats(geometry);
  if (zeroed_ != geometry || zeroed_begin_ != begin) {
    std::fill_n(memory_.data(), padded, 0.0F);
    zeroed_ = geometry;
    zeroed_begin_ = begin;
  }
  return {.padded = memory_.data(),
          .plain = memory_.data() + padded,
          .tile = memory_.data() + padded + plain_floats(geometry),
          .padded_width = geometry.width + geometry.kernel - 1};
}

template <class Storage>
void pack_depthwise(std::span<const float> weights, std::size_t channels, std::size_t kernel, bool flipped,
                    std::span<float> packed) {
  const std::size_t taps = kernel * kernel;
  const std::size_t row_words = depthwise_row_words<Storage>(kernel);
  for (std::size_t c = 0; c < padded_channels(channels); ++c) {
    const auto tap = [&](std::size_t row, std::size_t column) {
      const std::size_t index = row * kernel + column;
      return c < channels && column < kernel ? weights[c * taps + (flipped ? taps - 1 - index : index)] : 0.0F;
    };
    float* to = packed.data() + c / kGroup * kernel * row_words * kGroup + c % kGroup;
    for (std::size_t row = 0; row < kernel; ++row) {
      for (std::size_t word = 0; word < row_words; ++word, to += kGroup) {
        if constexpr (Storage::kValuesPerWord == 1) {
          *to = tap(row, word);
        } else {
          const std::uint32_t pair = to_bf16(tap(row, 2 * word)) | std::uint32_t{to_bf16(tap(row, 2 * word + 1))} << 16;
          std::memcpy(to, &pair, sizeof pair);
        }
      }
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

void depthwise_forward(const DepthwiseForward<F32Storage>& a, DepthwiseScratch& scratch) {
  HWY_DYNAMIC_DISPATCH(depthwise_forward_f32)(a, scratch.prepare(a.geometry, a.geometry.padding_begin));
}
void depthwise_forward(const DepthwiseForward<Bf16Storage>& a, DepthwiseScratch& scratch) {
  HWY_DYNAMIC_DISPATCH(depthwise_forward_bf16)(a, scratch.prepare(a.geometry, a.geometry.padding_begin));
}
void depthwise_inference(const DepthwiseInference<F32Storage>& a, DepthwiseScratch& scratch) {
  HWY_DYNAMIC_DISPATCH(depthwise_inference_f32)(a, scratch.prepare(a.geometry, a.geometry.padding_begin));
}
void depthwise_inference(const DepthwiseInference<Bf16Storage>& a, DepthwiseScratch& scratch) {
  HWY_DYNAMIC_DISPATCH(depthwise_inference_bf16)(a, scratch.prepare(a.geometry, a.geometry.padding_begin));
}
void depthwise_backward(const DepthwiseBackward<F32Storage>& a, DepthwiseScratch& scratch) {
  const std::size_t begin = a.geometry.kernel - 1 - a.geometry.padding_begin;
  HWY_DYNAMIC_DISPATCH(depthwise_backward_f32)(a, scratch.prepare(a.geometry, begin));
}
void depthwise_backward(const DepthwiseBackward<Bf16Storage>& a, DepthwiseScratch& scratch) {
  const std::size_t begin = a.geometry.kernel - 1 - a.geometry.padding_begin;
  HWY_DYNAMIC_DISPATCH(depthwise_backward_bf16)(a, scratch.prepare(a.geometry, begin));
}

}  // namespace convmixer::kernels
#endif
