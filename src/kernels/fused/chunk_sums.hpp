/// Sums over the chunks of a batch: what tasks have left, added up in the fixed tree of core/summation_tree.hpp, the
/// same whatever part of the values a call is for. Up to kMostLeaves chunks.
/// Sizes (chunk): see "Words" in HACKING.md.
#pragma once

#include <cstddef>

namespace convmixer::kernels {

/// Of each chunk and channel, rows of `stride` channels: see MomentSums.
struct ChunkMomentSums {
  const float* origin;
  const double* sum;
  const double* square;
  const std::size_t* values;  ///< per channel, by chunk
  std::size_t chunks;
  std::size_t stride;
};

/// For `channels` channels, the mean of all values and the sum of their squared distances from it. A chunk's, with n
/// values, are
///     mean = origin + sum / n, square = square - sum^2 / n
/// and two parts of the tree, a and b with d = mean_b - mean_a, become
///     n = n_a + n_b, mean = mean_a + d n_b / n, square = square_a + square_b + d^2 n_a n_b / n
/// (Chan, Golub & LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979).
void chunk_moments(const ChunkMomentSums& sums, std::size_t channels, double* mean, double* square);

/// Of a part of the tree, as chunk_moments gives them.
struct Moments {
  double values;
  double* mean;
  double* square;
};

/// The same formula: two parts, the lower one first, become one in the place of `lower`.
void merge_moments(Moments& lower, double upper_values, const double* upper_mean, const double* upper_square,
                   std::size_t channels);

/// A rectangle of values of each chunk.
template <typename T>
struct ChunkValues {
  const T* first;  ///< of the first chunk
  std::size_t chunks;
  std::size_t stride;  ///< from chunk to chunk
  std::size_t columns;
  std::size_t rows = 1;
  std::size_t row_stride = 0;  ///< from row to row of one chunk
};

/// total[row * columns + column] = the sum of all chunks' values there. `total` may be the first chunk's values, if
/// these lie like that.
void chunk_total(const ChunkValues<float>& values, float* total);
void chunk_total(const ChunkValues<double>& values, double* total);

}  // namespace convmixer::kernels
