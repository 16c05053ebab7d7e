#include "kernels/fused/chunk_sums.hpp"

#include "core/summation_tree.hpp"

#include <algorithm>
#include <array>

// Compiled once for each instruction set: see batch_norm.cpp. The order of these lines matters.
// clang-format off
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/fused/chunk_sums.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace convmixer::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Calls part(tag, i) for vectors of values, and with a tag of one lane for those that are left over.
template <typename T, class Part>
HWY_INLINE void for_vectors(std::size_t count, const Part& part) {
  const hn::CappedTag<T, 64 / sizeof(T)> d;
  std::size_t i = 0;
  for (; i + hn::Lanes(d) <= count; i += hn::Lanes(d)) part(d, i);
  for (; i < count; ++i) part(hn::CappedTag<T, 1>(), i);
}

// ---- totals ----

/// Bytes of a chunk that are added up at a time: the stack of partial sums stays in the first-level cache.
constexpr std::size_t kPieceBytes = 2048;

template <typename T>
HWY_INLINE void copy(const T* from, std::size_t count, T* to) {
  for_vectors<T>(count, [&](auto d, std::size_t i) HWY_ATTR { hn::StoreU(hn::LoadU(d, from + i), d, to + i); });
}
template <typename T>
HWY_INLINE void add(const T* from, std::size_t count, T* to) {
  for_vectors<T>(count, [&](auto d, std::size_t i)
                            HWY_ATTR { hn::StoreU(hn::Add(hn::LoadU(d, to + i), hn::LoadU(d, from + i)), d, to + i); });
}

/// `values` of kPieceBytes at most. Rows of the result are `total_stride` apart.
template <typename T>
void piece_total(const ChunkValues<T>& values, T* total, std::size_t total_stride) {
  constexpr std::size_t kPiece = kPieceBytes / sizeof(T);
  alignas(64) std::array<std::array<T, kPiece>, kMostPartialSums> stack;
  std::size_t slots = 0;
  for (std::size_t chunk = 0; chunk < values.chunks; ++chunk) {
    const T* const first = values.first + chunk * values.stride;
    std::size_t merges = merges_after(chunk, values.chunks);
    if (merges == 0) {
      T* const to = stack[slots++].data();
      for (std::size_t row = 0; row < values.rows; ++row) {
        copy(first + row * values.row_stride, values.columns, to + row * values.columns);
      }
      continue;
    }
    // A right-hand leaf goes straight into its merge.
    T* const to = stack[slots - 1].data();
    for (std::size_t row = 0; row < values.rows; ++row) {
      add(first + row * values.row_stride, values.columns, to + row * values.columns);
    }
    for (--merges; merges > 0; --merges) {
      --slots;
      add(stack[slots].data(), values.rows * values.columns, stack[slots - 1].data());
    }
  }
  for (std::size_t row = 0; row < values.rows; ++row) {
    copy(stack[0].data() + row * values.columns, values.columns, total + row * total_stride);
  }
}

template <typename T>
HWY_INLINE void total(const ChunkValues<T>& values, T* result) {
  constexpr std::size_t kPiece = kPieceBytes / sizeof(T);
  const std::size_t columns = std::min(values.columns, kPiece);
  const std::size_t rows = kPiece / std::max<std::size_t>(columns, 1);
  for (std::size_t row = 0; row < values.rows; row += rows) {
    for (std::size_t column = 0; column < values.columns; column += columns) {
      ChunkValues<T> piece = values;
      piece.first += row * values.row_stride + column;
      piece.rows = std::min(rows, values.rows - row);
      piece.columns = std::min(columns, values.columns - column);
      piece_total(piece, result + row * values.columns + column, values.columns);
    }
  }
}

void total_f32(const ChunkValues<float>& values, float* result) { total(values, result); }
void total_f64(const ChunkValues<double>& values, double* result) { total(values, result); }

// ---- moments ----

/// Channels that are added up at a time.
constexpr std::size_t kMomentChannels = 32;

/// Of some chunks that lie together.
struct PartMoments {
  double values;
  alignas(64) std::array<double, kMomentChannels> mean;
  alignas(64) std::array<double, kMomentChannels> square;
};

HWY_INLINE void set_moments(const ChunkMomentSums& sums, std::size_t chunk, std::size_t channels, PartMoments& part) {
  part.values = static_cast<double>(sums.values[chunk]);
  const std::size_t offset = chunk * sums.stride;
  for_vectors<double>(channels, [&](auto d, std::size_t c) HWY_ATTR {
    const auto origin = hn::PromoteTo(d, hn::LoadU(hn::Rebind<float, decltype(d)>(), sums.origin + offset + c));
    const auto sum = hn::LoadU(d, sums.sum + offset + c);
    const auto shift = hn::Div(sum, hn::Set(d, part.values));
    hn::StoreU(hn::Add(origin, shift), d, part.mean.data() + c);
    hn::StoreU(hn::NegMulAdd(sum, shift, hn::LoadU(d, sums.square + offset + c)), d, part.square.data() + c);
  });
}

HWY_INLINE void merge(Moments& a, double b_values, const double* b_mean, const double* b_square, std::size_t channels) {
  const double values = a.values + b_values;
  const double mean_weight = b_values / values;
  const double square_weight = a.values * mean_weight;
  for_vectors<double>(channels, [&](auto d, std::size_t c) HWY_ATTR {
    const auto mean = hn::LoadU(d, a.mean + c);
    const auto distance = hn::Sub(hn::LoadU(d, b_mean + c), mean);
    const auto squares = hn::Add(hn::LoadU(d, a.square + c), hn::LoadU(d, b_square + c));
    hn::StoreU(hn::MulAdd(distance, hn::Set(d, mean_weight), mean), d, a.mean + c);
    hn::StoreU(hn::MulAdd(hn::Mul(distance, distance), hn::Set(d, square_weight), squares), d, a.square + c);
  });
  a.values = values;
}

void merge_parts(Moments& lower, double upper_values, const double* upper_mean, const double* upper_square,
                 std::size_t channels) {
  merge(lower, upper_values, upper_mean, upper_square, channels);
}

void piece_moments(const ChunkMomentSums& sums, std::size_t channels, double* mean, double* square) {
  std::array<PartMoments, kMostPartialSums> stack;
  std::size_t slots = 0;
  for (std::size_t chunk = 0; chunk < sums.chunks; ++chunk) {
    set_moments(sums, chunk, channels, stack[slots++]);
    for (std::size_t merges = merges_after(chunk, sums.chunks); merges > 0; --merges) {
      --slots;
      PartMoments& lower = stack[slots - 1];
      const PartMoments& upper = stack[slots];
      Moments moments{lower.values, lower.mean.data(), lower.square.data()};
      merge(moments, upper.values, upper.mean.data(), upper.square.data(), channels);
      lower.values = moments.values;
    }
  }
  copy(stack[0].mean.data(), channels, mean);
  copy(stack[0].square.data(), channels, square);
}

void moments(const ChunkMomentSums& sums, std::size_t channels, double* mean, double* square) {
  for (std::size_t first = 0; first < channels; first += kMomentChannels) {
    ChunkMomentSums piece = sums;
    piece.origin += first;
    piece.sum += first;
    piece.square += first;
    piece_moments(piece, std::min(kMomentChannels, channels - first), mean + first, square + first);
  }
}

}  // namespace convmixer::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace convmixer::kernels {

HWY_EXPORT(moments);
HWY_EXPORT(merge_parts);
HWY_EXPORT(total_f32);
HWY_EXPORT(total_f64);

void chunk_moments(const ChunkMomentSums& sums, std::size_t channels, double* mean, double* square) {
  HWY_DYNAMIC_DISPATCH(moments)(sums, channels, mean, square);
}
void merge_moments(Moments& lower, double upper_values, const double* upper_mean, const double* upper_square,
                   std::size_t channels) {
  HWY_DYNAMIC_DISPATCH(merge_parts)(lower, upper_values, upper_mean, upper_square, channels);
}
void chunk_total(const ChunkValues<float>& values, float* total) { HWY_DYNAMIC_DISPATCH(total_f32)(values, total); }
void chunk_total(const ChunkValues<double>& values, double* total) { HWY_DYNAMIC_DISPATCH(total_f64)(values, total); }

}  // namespace convmixer::kernels
#endif
